"""`backproof grade` between the command line and the class: output, files, exit code."""

import argparse
import json
from pathlib import Path

from backproof import terminal_grade
from backproof.errors import MissingExtraError
from backproof.grades import ClassGrades
from backproof.terminal import Screen
from property_tests import grade_store, grading


def run(options: argparse.Namespace) -> int:
    """Grade a class. 0 where everybody has a grade, 3 where something could not be judged."""
    screen = Screen()
    plan = grading.Plan(
        options.folder, options.rubric, options.out, jobs=options.jobs, again=options.again
    )
    found = grading.grade(plan, screen.progress)
    grade_store.write_whole(
        options.out / "grades.json", json.dumps(grading.summary(found), indent=1) + "\n"
    )
    terminal_grade.show(screen.out, found)
    _pages(screen, found, options.out, options.hints)
    return 3 if any(grade.status == "not judged" for grade in found.grades) else 0


def _pages(screen: Screen, found: ClassGrades, out: Path, hints: str) -> None:
    from reports.grades import write_grades

    try:
        paths = write_grades(found, out, hints)
    except MissingExtraError:
        screen.say(
            f"wrote {out / 'grades.json'}; the class's page, the students' and CSV need pandas: "
            "python -m pip install 'backproof[suite]', then the same command again."
        )
        return
    screen.say(f"wrote {out / 'index.html'}, and {len(paths) - 1} files beside it")
