"""`backproof replay`: one case again, with every number of every side."""

from pathlib import Path

from backproof import casefiles
from backproof.case import Case
from backproof.casefiles import FILE_PREFIX
from backproof.errors import CaseError
from backproof.records import PairRecord
from backproof.replayed import Replayed
from backproof.tokens import case_of, token_of
from oracles.bound import bound_of
from property_tests import outcome
from property_tests.judging import judge, worst_verdict
from property_tests.sides import oracles_named
from property_tests.verification import subject_seat


def replay(token: str, impl: str | None, oracles: str | None, folder: Path | None) -> Replayed:
    """Answer the case again.

    Raises CaseError for a token or case file that cannot be read.
    """
    case = find_case(token, folder)
    names = [name.strip() for name in oracles.split(",")] if oracles else None
    witnesses, missing = oracles_named(names)
    with subject_seat(impl) as (seat, _, _):
        seats = [seat, *witnesses]
        (pairs,) = judge([case], seats, details=True)
        answers = {s.name: s.side.gradients(case) for s in seats}
    bound = bound_of(case, seat.family).gradient
    code = _exit_code([pair for pair in pairs if seat.name in (pair.a, pair.b)])
    return Replayed(case, token_of(case), seat.name, answers, bound, pairs, missing, code)


def _exit_code(pairs: list[PairRecord]) -> int:
    word = worst_verdict(pairs)
    if word in ("wrong", "error"):
        return outcome.DISAGREES
    return outcome.GAP if word == "inconclusive" or not pairs else outcome.AGREES


def find_case(token: str, folder: Path | None) -> Case:
    """The case of a token, of a `file:` token with its run's folder, or of a case file's path."""
    if token.endswith(".npz"):
        return casefiles.load(Path(token))
    if token.startswith(FILE_PREFIX):
        if folder is None:
            raise CaseError(f"{token:.20}... names a case file; give its run's folder with --out.")
        return casefiles.load(folder / "cases" / f"{token.removeprefix(FILE_PREFIX)}.npz")
    return case_of(token)
