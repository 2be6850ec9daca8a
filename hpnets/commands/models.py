"""`hpnets models [PATTERN]` lists the models."""

from hpnets.commands.listing import print_list


def main(argv: list[str]) -> None:
    """Print the models that match a pattern."""
    print_list("model", argv)
