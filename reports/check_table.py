"""`backproof check --csv`: one row per check of the ladder, in its order."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

from backproof.checked import Checked, CheckResult
from backproof.sentences import SHOWN
from reports.tables import csv_of, element, measure_array


@dataclass(frozen=True)
class CheckRow:
    """One check.

    rung, check: of the ladder   level: "must" or "should"   asks: what is asked, in words
    status: of `backproof.checked.STATUSES`   fails: whether it makes the whole fail, 1 or 0
    judged_by: "exact arithmetic" or "rounding bound"; "" where no number was judged
    cases: how many were judged   token: of the case shown; `backproof replay TOKEN`
    layer: 1..L   parameter: dW, db (gradients), ΔW, Δb   element: of the worst array, its worst
    yours, exact: the two numbers there
    error_in_bounds: |yours - exact| / bound (1 = all that rounding explains)   error_ulp: the
        largest of that array, in units in the last place
    message: what is wrong, or why nothing was asked
    """

    rung: str
    check: str
    level: str
    asks: str
    status: str
    fails: int
    judged_by: str
    cases: int
    token: str
    layer: int | None
    parameter: str
    element: str
    yours: float | None
    exact: float | None
    error_in_bounds: float | None
    error_ulp: float | None
    message: str


def check_csv(checked: Checked) -> str:
    """The whole file; text that a spreadsheet would take for a formula is defused."""
    heads = [field.name for field in fields(CheckRow)]
    return csv_of(heads, map(astuple, _rows(checked)))


def _rows(checked: Checked) -> Iterator[CheckRow]:
    for result in checked.results:
        yield _row(result, checked.fails(result))


def _row(result: CheckResult, fails: bool) -> CheckRow:
    check, worst = result.check, result.worst
    error, ulp = measure_array(worst)
    return CheckRow(
        rung=check.rung,
        check=check.id,
        level=check.level,
        asks=check.asks,
        status=result.status,
        fails=int(fails),
        judged_by=result.judged_by,
        cases=result.cases,
        token="" if result.case is None else result.case.token,
        layer=None if worst is None else worst.layer,
        parameter="" if worst is None else SHOWN[worst.parameter],
        element="" if worst is None else element(worst),
        yours=None if worst is None else worst.value_a,
        exact=None if worst is None else worst.value_b,
        error_in_bounds=None if worst is None else error,
        error_ulp=None if worst is None else ulp,
        message=result.message,
    )
