"""`python -m hpnets COMMAND ...`."""

from hpnets.commands.main import main

if __name__ == "__main__":
    main()
