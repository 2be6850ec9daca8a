"""Measure a paper's statements: python recipes/study.py extrapolation --quick"""

import sys

from hpnets.cli import run_main
from hpnets.commands.study import main

if __name__ == "__main__":
    run_main(lambda: main(sys.argv[1:]))
