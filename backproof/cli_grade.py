"""The words of `backproof grade`."""

import argparse
from pathlib import Path

from backproof.commands import EXIT_CODES, Commands, add_command
from backproof.giving_away import HINTS

_MOST_JOBS = 256


def add_grade(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The subcommand, its options and what it starts."""
    grade = add_command(
        commands,
        "grade",
        _grade,
        help="a whole class: many submissions, one rubric, a table and a page for each student",
        description="Check every submission below DIR, each in a process of its own, and write "
        "index.html, class.csv, rungs.csv, grades.json and a page per student. What was found out "
        "about a submission is kept and used again while neither it nor what is asked has changed: "
        "after Ctrl-C the same command goes on.",
        epilog=EXIT_CODES.replace("0 agrees, 1 disagrees", "0 all are graded"),
    )
    grade.add_argument("folder", type=Path, metavar="DIR", help="the class")
    grade.add_argument(
        "--rubric", type=Path, required=True, metavar="FILE", help="see examples/rubric.toml"
    )
    grade.add_argument(
        "--jobs", type=_jobs, default=1, metavar="N", help="submissions side by side (default 1)"
    )
    grade.add_argument(
        "--hints",
        choices=HINTS,
        default="layer",
        help="what a student's page gives away: the points; the first broken rung; or the first "
        "wrong layer with its numbers (default)",
    )
    grade.add_argument(
        "--out",
        type=Path,
        default=Path("backproof-grades"),
        metavar="OUT",
        help="where to write (default backproof-grades)",
    )
    grade.add_argument("--again", action="store_true", help="judge everybody anew")


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs; use 1 to {_MOST_JOBS}")
    return int(text)


def _grade(options: argparse.Namespace) -> int:
    from backproof import suite

    suite.load_suite()
    from property_tests import grade_command

    return grade_command.run(options)
