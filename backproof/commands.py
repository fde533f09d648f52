"""How every subcommand is added: its help fits the terminal, and ends with the exit codes."""

import argparse
import textwrap
from collections.abc import Callable

Commands = argparse._SubParsersAction  # argparse gives this type no public name

EXIT_CODES = (
    "exit codes: 0 agrees, 1 disagrees, 2 the call or the target is broken, "
    "3 a promised check is missing, 130 interrupted"
)


class Help(argparse.HelpFormatter):
    """Prose is wrapped at the terminal's width; a line that fits or is indented stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(_wrapped(line, width, indent) for line in text.splitlines())


def _wrapped(line: str, width: int, indent: str) -> str:
    if line.startswith(" ") or len(indent + line) <= width:  # an example, to be copied whole
        return indent + line
    return textwrap.fill(
        line, width, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


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
        formatter_class=Help,
    )
    parser.set_defaults(command=run)
    return parser
