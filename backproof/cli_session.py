"""`backproof test`: its words, and the way into the suite."""

import argparse
from pathlib import Path


def add_test(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", epilog: str) -> None:
    """The subcommand `test`."""
    test = commands.add_parser(
        "test",
        help="the ladder as a pytest session, then cases drawn by Hypothesis",
        description="One pytest test per check of the ladder; then cases that nobody chose, within "
        "what is claimed, the smallest failing one shown. Needs the extra `suite`. Nothing of the "
        "folder you stand in is collected.",
        epilog=f"after --: options of pytest, such as -k tanh, -x, --junitxml=FILE, "
        f"--hypothesis-profile=ci\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test.set_defaults(command=_test)
    test.add_argument("implementation", metavar="X", help="as in check")
    test.add_argument("--adapter", type=Path, metavar="FILE", help="as in check")
    test.add_argument("--strict", action="store_true", help="as in check; single precision and far "
                      "tails are then drawn as well")  # fmt: skip
    test.add_argument("pytest", nargs="*", metavar="-- OPTIONS", help="for pytest")


def _test(options: argparse.Namespace) -> int:
    from backproof import suite

    suite.load_suite()
    from property_tests import session_command

    return session_command.run(options)
