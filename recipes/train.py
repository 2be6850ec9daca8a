"""Train a network on a task, with its neural tangent kernel tracked: python recipes/train.py --model ccp"""

from hpnets.commands.main import run

if __name__ == "__main__":
    run("train")
