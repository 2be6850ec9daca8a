"""Measure a paper's statements: python recipes/study.py extrapolation --quick"""

from hpnets.commands.main import run

if __name__ == "__main__":
    run("study")
