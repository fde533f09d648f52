"""`backproof replay`: one case again, with every number of every side."""

from pathlib import Path

from backproof import casefiles
from backproof.records import PairRecord
from backproof.replayed import Replayed
from backproof.tokens import token_of
from oracles.bound import bound_of
from oracles.elementary import as_measured
from property_tests import outcome
from property_tests.derived import seen_by
from property_tests.gathering import case_named
from property_tests.judging import judge_answers
from property_tests.sides import names_in, oracles_named
from property_tests.verification import subject_seat


def replay(
    token: str,
    impl: str | None,
    oracles: str | None,
    folder: Path | None,
    adapter: Path | None = None,
) -> Replayed:
    """Answer the case again.

    Raises CaseError for a token or case file that cannot be read.
    """
    case = casefiles.load(Path(token)) if token.endswith(".npz") else case_named(token, folder)
    witnesses, missing = oracles_named(names_in(oracles))
    with as_measured(), subject_seat(impl, adapter) as (seat, _, _):
        (own,) = seat.side.gradients_of([case])
        asked, case = case, seen_by(case, own)
        seats = [seat, *witnesses]
        answers = {seat.name: [own]}
        answers |= {s.name: s.side.gradients_of([case]) for s in witnesses}
        (pairs,) = judge_answers([case], seats, answers, details=True)
        bound = bound_of(case, seat.family).gradient
    code = _exit_code([pair for pair in pairs if pair.a == seat.name])
    told = {name: answer for name, (answer,) in answers.items()}
    return Replayed(case, token_of(asked), seat.name, told, bound, pairs, missing, code)


def _exit_code(pairs: list[PairRecord]) -> int:
    """As of `verify`: wrong outranks all; with not one agreeing element nothing was judged."""
    if any(pair.verdict in ("wrong", "error") for pair in pairs):
        return outcome.DISAGREES
    agreeing = sum(pair.counts.get("agree", 0) for pair in pairs)
    return outcome.AGREES if agreeing else outcome.GAP
