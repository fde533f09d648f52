"""`backproof test`: its words, and the way into the suite."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from backproof.commands import EXIT_CODES, Commands, add_command


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of `test` and, after the first `--`, those of pytest. Other commands have none.

    argparse gives what follows `--` to the first positional that will have it, not to the last.
    """
    words = list(words)
    if words[:1] != ["test"] or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def add_test(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The subcommand `test`."""
    test = add_command(
        commands,
        "test",
        _test,
        help="the ladder as a pytest session, then cases drawn by Hypothesis",
        usage="backproof test [-h] [--adapter FILE] [--strict] X [-- OPTIONS OF PYTEST]",
        description="One pytest test per check of the ladder; then cases that nobody chose, within "
        "what is claimed, the smallest failing one shown. Needs the extra `suite`. Nothing of the "
        "folder you stand in is collected.",
        epilog=f"after --: options of pytest, such as -k tanh, -x, --junitxml=FILE, "
        f"--hypothesis-profile=ci\n{EXIT_CODES}",
    )
    test.add_argument("implementation", metavar="X", help="as in check")
    test.add_argument("--adapter", type=Path, metavar="FILE", help="as in check")
    test.add_argument("--strict", action="store_true", help="as in check; single precision and far "
                      "tails are then drawn as well")  # fmt: skip


def _test(options: argparse.Namespace) -> int:
    from backproof import suite

    suite.load_suite()
    from property_tests import session_command

    return session_command.run(options)
