"""`hpnets tasks [PATTERN]` lists the tasks."""

from hpnets.commands.listing import print_list


def main(argv: list[str]) -> None:
    """Print the tasks that match a pattern."""
    print_list("task", argv)
