"""What one run writes, line by line, into `run.jsonl`: header, cases, results, footer.

Everything that is shown later (CSV, HTML, terminal) derives from these records and from nothing
else. Numbers are JSON numbers; the three that JSON lacks are the strings "NaN", "Infinity" and
"-Infinity". A stream without its footer is not a whole run.
"""

import math
from dataclasses import dataclass, field

SCHEMA = 1


@dataclass(frozen=True)
class Header:
    """The first line: what was asked, by what, on what.

    seed, cases: what was drawn   data: names of the real data sets along with them
    cases_sha256: of all case lines, in order
    subject: name of the side under test   target: file[:function] for an implementation given
    sides: all sides, the subject first   missing: oracles that are not installed -> how to get them
    pairs: the comparisons made in every case, (a, b) with the subject or the better known second
    promised: number of checks this run must make: cases x pairs, but for those left out
    left_out: oracles that judge a share of the large nets -> cases in which they judge nothing
    claims: what the subject says it can do, field -> names; empty for everything
    unclaimed: origin -> cases of it that the subject does not claim, and so was not asked
    rows: "worst" or "all", the option of that name
    code_sha256: of the sources that judged and of the file that was judged
    versions: of backproof, python and each library used   platform, blas: of this machine
    """

    seed: int
    cases: int
    data: tuple[str, ...]
    cases_sha256: str
    subject: str
    target: str
    sides: tuple[str, ...]
    missing: dict[str, str]
    pairs: tuple[tuple[str, str], ...]
    promised: int
    conventions: dict[str, str]
    versions: dict[str, str]
    platform: str
    blas: str
    left_out: dict[str, int] = field(default_factory=dict)
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unclaimed: dict[str, int] = field(default_factory=dict)
    rows: str = "worst"
    code_sha256: str = ""
    schema: int = SCHEMA
    kind: str = "header"


@dataclass(frozen=True)
class CaseLine:
    """One case: its place in the run, its token, and its fields for whoever reads the file.

    origin: "drawn", or for real data "digits: step 0 of 60"
    """

    index: int
    token: str
    size: str
    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    reduction: str
    bias: str
    n: int
    alpha: float
    regime: str
    scale: int
    dtype: str
    slope: float
    origin: str = "drawn"
    kind: str = "case"


@dataclass(frozen=True)
class ParameterRecord:
    """One parameter array of one layer, of one pair in one case.

    parameter: dW, db (gradient), step_W, step_b (ΔW = -alpha * dW, Δb)   layer: 1..L
    index: of the worst element in the array   value_a, value_b: there
    bound: how far the two may lie apart there (E_a + E_b)
    error_in_bounds: |value_a - value_b| / bound, the worst of the array
    error_ulp: the largest |a - b| of the array in units in the last place of max(|a|, |b|),
        in the case's dtype
    counts: elements per verdict; plus "unchecked" (a finite difference that was not taken) and
        "fd_bar_exceeded" (outside the bar of finite differences, cleared by another oracle)
    """

    parameter: str
    layer: int
    index: tuple[int, ...]
    value_a: float
    value_b: float
    bound: float
    error_in_bounds: float
    error_ulp: float
    norm_a: float
    norm_b: float
    norm_difference: float
    cosine: float
    counts: dict[str, int]
    verdict: str


UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24}


def condition_of(record: ParameterRecord, dtype: str) -> float:
    """How far one rounding may be magnified in the worst element: see `condition`."""
    return condition(record.bound, max(abs(record.value_a), abs(record.value_b)), dtype)


def condition(bound: float, size: float, dtype: str) -> float:
    """bound / (u size), the bound with every u set to 1 beside the value.

    1e7 says that 1e-9 is what this net allows in float64. NaN where there is no bound, infinite
    for a zero.
    """
    size *= UNIT_ROUNDOFF[dtype]
    if not math.isfinite(bound) or math.isnan(size):
        return math.nan
    return bound / size if size else (math.inf if bound else math.nan)


@dataclass(frozen=True)
class PairRecord:
    """One comparison of two sides in one case: the worst parameter, and all counts together.

    verdict: the worst of the elements' verdicts; "error" where a side gave no answer, "skipped"
        where the subject does not claim the case
    worst: the parameter with the largest error in bounds (or the first wrong one from the output
        down); None where verdict is "error"
    parameters: every layer and parameter, kept for cases that do not agree, the worst of the run,
        and all with `--rows all`; otherwise empty
    failure: what the failing side said; "" otherwise   failed: its name
    """

    a: str
    b: str
    verdict: str
    worst: ParameterRecord | None
    counts: dict[str, int]
    parameters: tuple[ParameterRecord, ...] = ()
    failure: str = ""
    failed: str = ""


@dataclass(frozen=True)
class ResultLine:
    """All comparisons of one case. verdict: the subject's, the worst over its pairs."""

    index: int
    verdict: str
    pairs: tuple[PairRecord, ...]
    kind: str = "result"


@dataclass(frozen=True)
class DetailLine:
    """Every layer and parameter of one of the worst cases, made again after all results."""

    index: int
    pairs: tuple[PairRecord, ...]
    kind: str = "detail"


@dataclass(frozen=True)
class ShrunkLine:
    """The smallest case that still fails like the case `of`, found afterwards.

    cell: what they have in common, e.g. "reference_impl x torch_autograd"
    """

    of: int
    cell: str
    case: CaseLine
    pairs: tuple[PairRecord, ...]
    kind: str = "shrunk"


@dataclass(frozen=True)
class Footer:
    """The last line. complete: False where the run was interrupted.

    promised, made: checks   counts: elements per verdict over the subject's pairs
    disagreements: cases the subject got wrong   oracle_disagreements: oracle pairs that are wrong
    exit_code: of the run
    """

    complete: bool
    promised: int
    made: int
    counts: dict[str, int]
    disagreements: int
    oracle_disagreements: int
    exit_code: int
    reason: str = ""
    kind: str = "footer"


@dataclass
class Run:
    """A run file as read: what reports are made from."""

    header: Header
    cases: list[CaseLine] = field(default_factory=list)
    results: list[ResultLine] = field(default_factory=list)
    details: list[DetailLine] = field(default_factory=list)
    shrunk: list[ShrunkLine] = field(default_factory=list)
    footer: Footer | None = None
