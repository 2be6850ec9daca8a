"""Write one html page of runs and studies: python recipes/report.py runs/first"""

from hpnets.commands.main import run

if __name__ == "__main__":
    run("report")
