"""`backproof grade`: a class of submissions, one rubric.

What was found out about a submission is kept in OUT/results under a hash of all that decides it,
and found again by the next run, as ccache and Bazel do it: nothing has to be asked for to go on
after Ctrl-C, a submission that was handed in again is judged again, and other points, hints or
titles cost no judging at all. `--again` judges everybody anew.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from backproof import suite
from backproof.claims import Claims
from backproof.errors import Interrupted
from backproof.grades import SCHEMA, ClassGrades, Judged, graded, points_text
from backproof.rubric import Rubric, read_rubric
from property_tests import grade_store
from property_tests.grade_pool import Pool
from property_tests.grade_worker import Job
from property_tests.interruption import Interruption
from property_tests.ladder import LADDER, VERSION
from property_tests.nets import Nets
from property_tests.submissions import Submission, hash_of, submissions

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What `grade` was asked for. jobs: worker processes   again: nothing known is used"""

    folder: Path
    rubric: Path
    out: Path
    jobs: int = 1
    again: bool = False


def the_rubric(path: Path) -> Rubric:
    """The rubric of a file, against the ladder there is. Raises BackproofError."""
    return read_rubric(path, VERSION, tuple(rung.id for rung in LADDER), known_checks())


@cache
def known_checks() -> tuple[str, ...]:
    """Ids of every check that the ladder can have, for one claim or another."""
    several, one = Nets(Claims(), moves=True), Nets(Claims(reductions=("sum",)), moves=True)
    return tuple(
        dict.fromkeys(
            question.check.id
            for rung in LADDER
            for nets in (several, one)
            for question in rung.asks(nets)
        )
    )


def grade(plan: Plan, progress: Progress) -> ClassGrades:
    """Judge everybody who is not judged yet, then count.

    progress: told of (phase, done, total)
    Raises BackproofError; Interrupted after Ctrl-C, with all that was found until then kept.
    """
    rubric = the_rubric(plan.rubric)
    listed = submissions(plan.folder, rubric, plan.out)
    found = _found(plan, rubric, listed, progress)
    rungs = {rung.id: rung.title for rung in LADDER}
    return ClassGrades(
        rubric,
        rungs,
        tuple(
            graded(each.student, each.file, each.page, judged, rubric, rungs)
            for each, judged in zip(listed, found, strict=True)
        ),
    )


def _found(
    plan: Plan, rubric: Rubric, listed: Sequence[Submission], progress: Progress
) -> list[Judged]:
    """In the order of `listed`."""
    keys = [_key(plan.folder, rubric, each) for each in listed]
    known = {key: _without_asking(each, key) for each, key in zip(listed, keys, strict=True)}
    stored = {
        key: None if plan.again else grade_store.read(plan.out, key)
        for key in keys
        if known[key] is None
    }
    jobs = [
        _job(plan, rubric, each, key)
        for each, key in zip(listed, keys, strict=True)
        if known[key] is None and stored[key] is None
    ]
    if jobs:
        _judge(plan, jobs, known, len(listed), progress)
    return [
        known[key] or stored.get(key) or grade_store.read(plan.out, key) or _lost(key)
        for key in keys
    ]


def _judge(
    plan: Plan, jobs: list[Job], known: dict[str, Judged | None], total: int, progress: Progress
) -> None:
    done = total - len(jobs)
    grade_store.writable(plan.out)
    with Interruption() as interruption:
        try:
            with Pool(plan.folder, plan.jobs) as pool:
                progress("grading", done, total)
                for job, failed in pool.answers(jobs):
                    interruption.check()
                    if failed:  # our own fault: not kept, so that the next run tries again
                        known[job.key] = Judged(job.key, "not judged", failed, None, ())
                    done += 1
                    progress("grading", done, total)
        except KeyboardInterrupt:
            # What is on disk counts, also where the word of it was still on its way.
            left = sum(grade_store.read(plan.out, job.key) is None for job in jobs)
            raise Interrupted(
                f"interrupted; {total - left} of {total} submissions are judged and kept in "
                f"{plan.out}, and the same command goes on from there."
            ) from None


def _without_asking(submission: Submission, key: str) -> Judged | None:
    if submission.path is None:
        return Judged(key, "missing", "no file was handed in", None, ())
    if submission.complaint:
        return Judged(key, "error", submission.complaint, None, ())
    return None


def _lost(key: str) -> Judged:
    return Judged(key, "not judged", "its result was removed while others were judged", None, ())


def _job(plan: Plan, rubric: Rubric, submission: Submission, key: str) -> Job:
    assert submission.path is not None
    return Job(
        key=key,
        path=submission.path,
        function=rubric.function,
        adapter="" if rubric.adapter is None else str(rubric.adapter),
        program=rubric.program(submission.path),
        time_limit=rubric.time_limit,
        out=str(plan.out.resolve()),
    )


def _key(folder: Path, rubric: Rubric, submission: Submission) -> str:
    """SHA-256 of all that decides what is found; points and hints do not."""
    unreadable = submission.path is None or submission.complaint
    content = submission.student if unreadable else hash_of(folder, submission)
    told = [
        *(SCHEMA, VERSION, rubric.function, rubric.command, rubric.time_limit),
        *(_given(rubric), content, _code()),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _given(rubric: Rubric) -> str:
    """SHA-256 of the files that everybody is called with: the adapter, a command's own."""
    words = [Path(word) for word in rubric.command]
    files = [path for path in (rubric.adapter, *words) if path and path.is_absolute()]
    digest = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _code() -> str:
    """SHA-256 of the sources that judge, and of what they stand on. How it is shown is no part."""
    digest = hashlib.sha256()
    for name, path in suite.sources("oracles", "property_tests").items():
        if not path.name.startswith("test_"):
            digest.update(name.encode() + path.read_bytes())
    below = [metadata.version(name) for name in ("numpy", "python-flint")]
    digest.update(json.dumps([*below, sys.version, platform.machine()]).encode())
    return digest.hexdigest()


def summary(found: ClassGrades) -> dict[str, object]:
    """The class as plain values, for `grades.json`."""
    return {
        "title": found.rubric.title,
        "ladder": found.rubric.ladder,
        "out_of": points_text(found.rubric.out_of),
        "grades": [
            {
                "student": each.student,
                "file": each.file,
                "status": each.status,
                "points": points_text(each.points),
                "first_broken": each.first_broken.check.id if each.first_broken else "",
                "message": each.message,
                "rungs": {
                    rung.id: {
                        "status": rung.status,
                        "passed": rung.passed,
                        "asked": rung.asked,
                        "points": points_text(rung.points),
                        "out_of": points_text(rung.out_of),
                    }
                    for rung in each.rungs
                },
                "result": each.judged.key,
            }
            for each in found.grades
        ],
    }
