"""Check a checkpoint or a finished run against what was recorded: python recipes/evaluate.py --checkpoint ccp-digits"""

from hpnets.commands.main import run

if __name__ == "__main__":
    run("evaluate")
