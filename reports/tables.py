"""The tables of a run: each row is a documented dataclass, each column one of its fields.

run.jsonl -> rows -> pandas -> `agreement.csv` (one row per case and pair) and `summary.csv` (per
pair and per activation, loss, depth, ...). Nothing here judges: verdicts and errors are those of
the records.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from backproof.errors import MissingExtraError, RunFileError
from backproof.names import VERDICTS
from backproof.records import CaseLine, PairRecord, ParameterRecord, Run, condition_of
from reports.grouping import FIELDS, case_values

if TYPE_CHECKING:
    import pandas as pd

# Elements are counted under these names in the records.
COUNTS = (*VERDICTS, "unchecked", "fd_bar_exceeded")

# Verdicts under which an error can be measured against the bound. At a kink any value of an
# interval is right, and an overflow has no error: both are counted instead.
MEASURED = ("agree", "uninformative", "wrong")


@dataclass(frozen=True)
class AgreementRow:
    """One comparison of two sides in one case, or one parameter array of it (`agreement.csv`).

    row: "case", or "parameter" for one layer and parameter of the case above it
    index: place of the case in the run   token: the case itself; `backproof replay TOKEN`
    widths: k_0-...-k_L, units per layer, the input first   activations: one per layer, by "/"
    depth: L, number of weight matrices   loss, reduction, bias: names   n: rows of the batch
    alpha: learning rate   slope: of leaky_relu   regime: which numbers were drawn
    scale: weights are times 2**scale   dtype: of the case   size: standard, wide or real
    origin: "drawn", or the data set and step
    a, b: the two sides   verdict: worst of the elements; "error" where a side gave no answer
    error_in_bounds: worst |value_a - value_b| / bound (1 = all that rounding explains)
    error_ulp: largest |a - b| of that array, in units in the last place of max(|a|, |b|)
    layer: 1..L   parameter: dW, db (gradients), step_W, step_b (ΔW, Δb)
    element: index of the worst element in its array   value_a, value_b: there
    bound: how far the two may lie apart there (same unit as the values)
    condition: bound / (u max(|a|, |b|)), how far one rounding may be magnified there
    norm_a, norm_b, norm_difference: Euclidean norms of the array   cosine: between the two
    agree, uninformative, kink, inconclusive, wrong: elements per verdict
    unchecked: elements of which no finite difference was taken
    fd_bar_exceeded: elements outside the bar of finite differences, cleared by another oracle
    failure: what a failing side said
    """

    row: str
    index: int
    token: str
    widths: str
    activations: str
    depth: int
    loss: str
    reduction: str
    bias: str
    n: int
    alpha: float
    slope: float
    regime: str
    scale: int
    dtype: str
    size: str
    origin: str
    a: str
    b: str
    verdict: str
    error_in_bounds: float | None
    error_ulp: float | None
    layer: int | None
    parameter: str
    element: str
    value_a: float | None
    value_b: float | None
    bound: float | None
    condition: float | None
    norm_a: float | None
    norm_b: float | None
    norm_difference: float | None
    cosine: float | None
    agree: int
    uninformative: int
    kink: int
    inconclusive: int
    wrong: int
    unchecked: int
    fd_bar_exceeded: int
    failure: str


@dataclass(frozen=True)
class SummaryRow:
    """All cases of one pair that share one value of one field (`summary.csv`).

    a, b: the two sides   field: "all", or what the cases share   value: of that field
    cases: how many (a case with two activations counts under both)
    error_cases: cases in which a side gave no answer   wrong_cases: cases judged wrong
    checked: elements that got a verdict
    agree, uninformative, kink, inconclusive, wrong: elements per verdict
    unchecked: elements of which no finite difference was taken
    fd_bar_exceeded: elements outside the bar of finite differences, cleared by another oracle
    measured_cases: cases whose worst array is agree, uninformative or wrong; the errors that
        follow are over these, NaN of a wrong one taken as Infinity
    worst_in_bounds, p90_in_bounds, median_in_bounds, p10_in_bounds: of the worst error of each
        case, in multiples of the bound
    median_ulp, worst_ulp: of the largest error in the worst array of each case, in ULP
    """

    a: str
    b: str
    field: str
    value: str
    cases: int
    error_cases: int
    wrong_cases: int
    checked: int
    agree: int
    uninformative: int
    kink: int
    inconclusive: int
    wrong: int
    unchecked: int
    fd_bar_exceeded: int
    measured_cases: int
    worst_in_bounds: float | None
    p90_in_bounds: float | None
    median_in_bounds: float | None
    p10_in_bounds: float | None
    median_ulp: float | None
    worst_ulp: float | None


def agreement_rows(run: Run) -> Iterator[AgreementRow]:
    """Every comparison in the order of the run, each followed by its parameters if it has some."""
    cases = {case.index: case for case in run.cases}
    detailed = {
        (line.index, pair.a, pair.b): pair.parameters for line in run.details for pair in line.pairs
    }
    for result in sorted(run.results, key=lambda line: line.index):
        if result.index not in cases:
            raise RunFileError(f"the run has a result of case {result.index}, but no such case.")
        shared = _case_cells(cases[result.index])
        for pair in result.pairs:
            yield _row("case", shared, pair, pair.worst, pair.verdict, pair.counts)
            parameters = pair.parameters or detailed.get((result.index, pair.a, pair.b), ())
            for record in parameters:
                yield _row("parameter", shared, pair, record, record.verdict, record.counts)


def _case_cells(case: CaseLine) -> dict[str, Any]:
    return {
        "index": case.index,
        "token": case.token,
        "widths": "-".join(map(str, case.widths)),
        "activations": "/".join(case.activations),
        "depth": len(case.activations),
        "loss": case.loss,
        "reduction": case.reduction,
        "bias": case.bias,
        "n": case.n,
        "alpha": case.alpha,
        "slope": case.slope,
        "regime": case.regime,
        "scale": case.scale,
        "dtype": case.dtype,
        "size": case.size,
        "origin": case.origin,
    }


_NUMBERS = (
    *("error_in_bounds", "error_ulp", "layer", "value_a", "value_b", "bound"),
    *("norm_a", "norm_b", "norm_difference", "cosine"),
)


def _row(
    row: str,
    shared: dict[str, Any],
    pair: PairRecord,
    record: ParameterRecord | None,
    verdict: str,
    counts: dict[str, int],
) -> AgreementRow:
    measured: dict[str, Any] = {name: getattr(record, name, None) for name in _NUMBERS}
    measured["condition"] = None if record is None else condition_of(record, shared["dtype"])
    counted: dict[str, Any] = {name: counts.get(name, 0) for name in COUNTS}
    return AgreementRow(
        row=row,
        **shared,
        a=pair.a,
        b=pair.b,
        verdict=verdict,
        parameter=record.parameter if record else "",
        element=element(record) if record else "",
        **measured,
        **counted,
        failure=pair.failure if row == "case" else "",
    )


def element(record: ParameterRecord) -> str:
    """The index of the worst element as NumPy writes it: "[0, 3]"."""
    return "[" + ", ".join(map(str, record.index)) + "]"


def pandas() -> Any:
    """pandas, or MissingExtraError with the command that installs it."""
    try:
        import pandas
    except ImportError:
        raise MissingExtraError(
            "CSV and HTML reports need pandas: python -m pip install 'backproof[suite]'"
        ) from None
    return pandas


def agreement_table(run: Run) -> "pd.DataFrame":
    """One row per case and pair, and those of its parameters (`AgreementRow`)."""
    return table_of(AgreementRow, list(agreement_rows(run)))


def table_of(kind: type, rows: list[Any]) -> "pd.DataFrame":
    """Rows of one dataclass as a table, its fields as columns."""
    # dtype object keeps None apart from NaN, and an empty layer from making 2 into 2.0.
    columns = {f.name: list(map(attrgetter(f.name), rows)) for f in fields(kind)}
    return pandas().DataFrame(columns, dtype=object)


def summary_rows(run: Run) -> Iterator[SummaryRow]:
    """The rows of `summary.csv`: pairs as in the header, fields and values in a fixed order."""
    frame = _measures(run)
    ranks = {pair: rank for rank, pair in enumerate(run.header.pairs)}
    for field in FIELDS:
        values = [case_values(case, field) for case in run.cases]
        lookup = pandas().Series(values, index=[case.index for case in run.cases], dtype=object)
        told = frame.assign(value=frame["index"].map(lookup)).explode("value")
        told = told.reset_index(drop=True)
        sums = told[[*COUNTS, *_FLAGS]].to_numpy(dtype=int)
        errors = told[["error", "ulp"]].to_numpy(dtype=float)
        groups: dict[Any, Any] = told.groupby(["a", "b", "value"], sort=False).indices
        order = sorted(
            groups, key=lambda key: (ranks.get(key[:2], len(ranks)), field.order(key[2]))
        )
        for a, b, value in order:
            places = groups[a, b, value]
            key = (a, b, field.name, value)
            yield _summary(key, len(places), sums[places].sum(axis=0), errors[places])


# What is counted of each case and pair beside its elements.
_FLAGS = ("error_case", "wrong_case", "measured")


def _measures(run: Run) -> "pd.DataFrame":
    """What is summed or ranked of each case and pair, as numbers."""
    rows = []
    for result in run.results:
        for pair in result.pairs:
            worst = pair.worst
            error, ulp = measure(pair)
            rows.append(
                {
                    **{name: pair.counts.get(name, 0) for name in COUNTS},
                    "index": result.index,
                    "a": pair.a,
                    "b": pair.b,
                    "error_case": pair.verdict == "error",
                    "wrong_case": pair.verdict == "wrong",
                    "measured": worst is not None and worst.verdict in MEASURED,
                    "error": error,
                    "ulp": ulp,
                }
            )
    columns = [*COUNTS, "index", "a", "b", *_FLAGS, "error", "ulp"]
    return pandas().DataFrame(rows, columns=columns)


def measure(pair: PairRecord) -> tuple[float, float]:
    """(error in bounds, ULP) of the worst array; NaN where no error can be measured.

    A wrong array whose error is not a number is infinitely far off: it must not drop out of a
    maximum.
    """
    return measure_array(pair.worst)


def measure_array(worst: ParameterRecord | None) -> tuple[float, float]:
    """The same of one array; NaN of none."""
    if worst is None or worst.verdict not in MEASURED:
        return math.nan, math.nan
    lost = math.inf if worst.verdict == "wrong" else math.nan
    error, ulp = worst.error_in_bounds, worst.error_ulp
    return lost if math.isnan(error) else error, lost if math.isnan(ulp) else ulp


def _summary(
    key: tuple[str, str, str, str], cases: int, sums: NDArray[Any], errors: NDArray[Any]
) -> SummaryRow:
    a, b, field, value = key
    *numbers, error_cases, wrong_cases, measured = sums.tolist()
    counts = dict(zip(COUNTS, numbers, strict=True))
    error, ulp = (sorted(x for x in column if not math.isnan(x)) for column in errors.T.tolist())
    return SummaryRow(
        a=a,
        b=b,
        field=field,
        value=value,
        cases=cases,
        error_cases=error_cases,
        wrong_cases=wrong_cases,
        checked=sum(counts[name] for name in VERDICTS),
        **counts,
        measured_cases=measured,
        worst_in_bounds=quantile(error, 1.0),
        p90_in_bounds=quantile(error, 0.9),
        median_in_bounds=quantile(error, 0.5),
        p10_in_bounds=quantile(error, 0.1),
        median_ulp=quantile(ulp, 0.5),
        worst_ulp=quantile(ulp, 1.0),
    )


def quantile(ordered: list[float], share: float) -> float | None:
    """The value at or above which no more than 1 - share of the sorted values lie; None of none.

    Always one of the values itself: between two of them interpolation would invent an error that
    nobody made, and inf - inf.
    """
    if not ordered:
        return None
    return float(ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))])


def csv_text(table: "pd.DataFrame") -> str:
    """The table as CSV: "\\n" between lines, floats as the shortest text that reads back the same.

    Numbers that JSON lacks stand there as in run.jsonl: NaN, Infinity, -Infinity. An empty cell
    is no number at all.
    """
    return csv_of(table.columns, zip(*(table[name] for name in table.columns), strict=True))


def csv_of(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, in the same form, without pandas."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(heads)
    lines.writerows(map(_cell, row) for row in rows)
    return written.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, str):
        return defused(value)
    return "" if value is None else _SPECIAL.get(text := repr(value), text)


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@lru_cache(maxsize=10_000)  # the same few names stand in thousands of rows
def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula: such a cell gets an apostrophe in front.

    Only "\\n" is left as a line break inside a cell, and a NUL or half a surrogate pair is written
    out, so that every reader gets the same cell back.
    """
    guarded = "'" + text if text.startswith(_FORMULA_STARTS) else text
    plain = guarded.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\\x00")
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")
