"""One case as every side answers it now: what `backproof replay` shows."""

from dataclasses import dataclass

from backproof.case import Case
from backproof.gradients import Failure, Gradients, Vector
from backproof.records import PairRecord


@dataclass(frozen=True, eq=False)
class Replayed:
    """Every number of every side on one case.

    answers: per side, the subject first   bound: (P,) E of the subject's gradient
    pairs: every comparison, with every layer and parameter
    missing: oracles that are not installed -> how to get them   exit_code: as of `verify`
    """

    case: Case
    token: str
    subject: str
    answers: dict[str, Gradients | Failure]
    bound: Vector
    pairs: tuple[PairRecord, ...]
    missing: dict[str, str]
    exit_code: int
