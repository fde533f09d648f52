"""How every subcommand is added: its help keeps its lines, and ends with the exit codes."""

import argparse
from collections.abc import Callable

Commands = argparse._SubParsersAction  # argparse gives this type no public name

EXIT_CODES = """\
exit codes: 0 agrees, 1 disagrees, 2 the call or the target is broken,
3 a promised check is missing, 130 interrupted"""


def add_command(
    commands: "Commands[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    help: str,
    description: str,
    epilog: str | None = EXIT_CODES,
    usage: str | None = None,
) -> argparse.ArgumentParser:
    """A subcommand without its options yet. run: from the options to the exit code"""
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=epilog,
        usage=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    return parser
