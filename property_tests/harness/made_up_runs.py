"""Runs that nobody made: records with made-up numbers, to put the reports on trial.

The cases and their tokens are real; the errors are drawn to look like those of a real run, and
`spoiled` plants what a test wants to see on the page. The same arguments give the same run.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from backproof import Case, names, token_of
from backproof.records import (
    CaseLine,
    DetailLine,
    Footer,
    Header,
    PairRecord,
    ParameterRecord,
    ResultLine,
    Run,
    ShrunkLine,
)

# Everything a spreadsheet, a browser or an eye could fall for.
HOSTILE = (
    "=cmd|' /C calc'!A0\n<script>alert(1)</script>\t\"quoted\" & <img src=x onerror=y> \u202egp.exe"
)
SUBJECT = "reference_impl"
ORACLES = ("torch_autograd", "jax_grad", "finite_difference")
Spoil = Callable[[CaseLine, PairRecord], PairRecord]


def made_up_run(
    cases: int = 12,
    seed: int = 1,
    oracles: Sequence[str] = ORACLES,
    spoiled: Spoil = lambda case, pair: pair,
    **header: object,
) -> Run:
    """A whole run of so many cases in which everybody agrees, but for what `spoiled` changes."""
    draw = random.Random(seed)
    sides = (SUBJECT, *oracles)
    pairs = tuple((a, b) for i, a in enumerate(sides) for b in sides[i + 1 :])
    lines = [case_line(index, drawn_case(draw)) for index in range(cases)]
    results = []
    for line in lines:
        records = tuple(spoiled(line, agreeing(draw, line, pair)) for pair in pairs)
        results.append(ResultLine(line.index, verdict_of(records), records))
    run = Run(
        Header(
            seed=seed,
            cases=cases,
            data=(),
            cases_sha256="0" * 64,
            subject=SUBJECT,
            target="",
            sides=sides,
            missing={},
            pairs=pairs,
            promised=cases * len(pairs),
            conventions={},
            versions={"backproof": "0.1.0", "numpy": "2.4.6", "python": "3.11.2"},
            platform="Linux x86_64",
            blas="openblas 0.3.30",
        ),
        lines,
        results,
    )
    run.header = replace(run.header, **header)  # type: ignore[arg-type]
    run.details = [detail(draw, run, index) for index in range(0, cases, max(1, cases // 20))]
    run.footer = footer_of(run)
    return run


def drawn_case(draw: random.Random) -> Case:
    """Some case of the standard size."""
    depth = draw.randint(1, 5)
    loss = draw.choice(names.LOSSES)
    hidden = [name for name in names.ACTIVATIONS if name != "softmax"]
    output = names.OUTPUT_ACTIVATION.get(loss) or draw.choice(names.ACTIVATIONS)
    return Case(
        widths=tuple(draw.randint(1, 8) for _ in range(depth + 1)),
        activations=(*(draw.choice(hidden) for _ in range(depth - 1)), output),
        loss=loss,
        reduction=draw.choice(names.REDUCTIONS),
        bias=draw.choice(names.BIASES),
        n=draw.randint(1, 8),
        alpha=draw.choice(names.ALPHAS),
        regime=draw.choice([name for name in names.REGIMES if name != "real"]),
        scale=round(draw.gauss(0, 2)),
        dtype="float32" if draw.random() < 0.2 else "float64",
        seed=draw.randrange(2**32),
    )


def case_line(index: int, case: Case, origin: str = "drawn") -> CaseLine:
    """A case as its line."""
    fields = ("widths", "activations", "loss", "reduction", "bias", "n", "alpha", "regime")
    values = {name: getattr(case, name) for name in (*fields, "scale", "dtype", "slope", "size")}
    return CaseLine(index=index, token=token_of(case), origin=origin, **values)


def agreeing(draw: random.Random, case: CaseLine, pair: tuple[str, str]) -> PairRecord:
    """A comparison in which all is well but for a few hollow, kinked or unchecked elements."""
    elements = 2 * sum(k * j for k, j in zip(case.widths, case.widths[1:], strict=False))
    counts = dict.fromkeys((*names.VERDICTS, "unchecked", "fd_bar_exceeded"), 0)
    if draw.random() < 0.1:
        counts["uninformative"] = draw.randint(0, elements // 4)
    kinked = {"relu", "leaky_relu"} & set(case.activations) and case.regime == "zeros"
    if kinked:
        counts["kink"] = elements // 4
    if "finite_difference" in pair:
        counts["unchecked"] = elements // 5 if kinked else 0
        counts["fd_bar_exceeded"] = int(draw.random() < 0.002)
    counts["agree"] = elements - sum(counts[n] for n in ("uninformative", "kink", "unchecked"))
    layer = draw.randint(1, len(case.activations))
    worst = parameter(draw, case, layer, draw.choice(("dW", "step_W")), counts)
    verdict = "kink" if counts["kink"] else "agree"
    return PairRecord(*pair, verdict=verdict, worst=worst, counts=counts)


def parameter(
    draw: random.Random, case: CaseLine, layer: int, name: str, counts: dict[str, int]
) -> ParameterRecord:
    """One array in which all is well."""
    value = draw.gauss(0, 1)
    bound = abs(value) * 10 ** draw.uniform(-14, -11)
    error = 0.0 if case.regime == "integers" else min(0.8, 10 ** draw.gauss(-2.4, 0.7))
    return ParameterRecord(
        parameter=name,
        layer=layer,
        index=(draw.randrange(case.widths[layer - 1]), draw.randrange(case.widths[layer])),
        value_a=value,
        value_b=value + error * bound,
        bound=bound,
        error_in_bounds=error,
        error_ulp=error * draw.uniform(20, 200),
        norm_a=abs(value) * 2,
        norm_b=abs(value) * 2,
        norm_difference=error * bound,
        cosine=1.0,
        counts=counts,
        verdict="kink" if counts["kink"] else "agree",
    )


def wrong(pair: PairRecord, factor: float = 0.5) -> PairRecord:
    """The same comparison, but `a` is off by a factor in layer 1, element [0, 0] of dW."""
    assert pair.worst is not None
    counts = pair.counts | {"wrong": 1, "agree": pair.counts["agree"] - 1}
    worst = replace(
        pair.worst,
        parameter="dW",
        layer=1,
        index=(0, 0),
        value_a=pair.worst.value_b * factor,
        error_in_bounds=abs(pair.worst.value_b * (1 - factor)) / pair.worst.bound,
        error_ulp=2.0**51,
        cosine=0.8,
        verdict="wrong",
        counts=counts,
    )
    fine = replace(pair.worst, parameter="step_W", layer=1)
    return replace(pair, verdict="wrong", worst=worst, counts=counts, parameters=(worst, fine))


def lost(pair: PairRecord) -> PairRecord:
    """The subject is wrong: its worst element is no number at all."""
    pair = wrong(pair)
    assert pair.worst is not None
    return replace(pair, worst=replace(pair.worst, error_in_bounds=math.nan, value_a=math.nan))


def no_answer(pair: PairRecord, failure: str) -> PairRecord:
    """The same comparison, but a side failed."""
    return replace(pair, verdict="error", worst=None, counts={}, parameters=(), failure=failure)


def detail(draw: random.Random, run: Run, index: int) -> DetailLine:
    """Every layer of one case."""
    case, pairs = run.cases[index], run.results[index].pairs
    layers = range(1, len(case.activations) + 1)
    return DetailLine(
        index,
        tuple(
            replace(
                pair,
                parameters=pair.parameters
                or tuple(
                    parameter(draw, case, layer, name, pair.counts)
                    for name in ("dW", "step_W")
                    for layer in layers
                ),
            )
            for pair in pairs
            if pair.verdict != "error"
        ),
    )


def shrunk_like(run: Run, index: int, seed: int = 3) -> ShrunkLine:
    """A small case that fails like case `index` of a run."""
    case = Case((1, 1), ("tanh",), seed=0, regime="fractions")
    line = case_line(index, case, "shrunk")
    pair = wrong(agreeing(random.Random(seed), line, (SUBJECT, run.header.sides[1])))
    cell = f"{pair.a} x {pair.b}: dW is wrong"
    return ShrunkLine(index, cell, line, (pair,))


def verdict_of(pairs: Sequence[PairRecord]) -> str:
    """The worst word over the subject's pairs, as a run has it."""
    said = {pair.verdict for pair in pairs if SUBJECT in (pair.a, pair.b)}
    order = ("error", "wrong", "inconclusive", "kink", "agree")
    return next((word for word in order if word in said), "uninformative")


def footer_of(run: Run, complete: bool = True, reason: str = "") -> Footer:
    """The footer that such a run would have."""
    records = [pair for line in run.results for pair in line.pairs]
    own = [pair for pair in records if SUBJECT in (pair.a, pair.b)]
    counts: dict[str, int] = {}
    for pair in own:
        for word, number in pair.counts.items():
            counts[word] = counts.get(word, 0) + number
    bad = sum(line.verdict == "wrong" for line in run.results)
    foreign = sum(p.verdict == "wrong" for p in records if SUBJECT not in (p.a, p.b))
    failed = any(pair.verdict == "error" for pair in records)
    return Footer(
        complete=complete,
        promised=run.header.promised,
        made=sum(pair.verdict != "error" for pair in records),
        counts=counts,
        disagreements=bad,
        oracle_disagreements=foreign,
        exit_code=130 if not complete else 1 if bad or foreign else 3 if failed else 0,
        reason=reason or (f"{SUBJECT} is wrong in {bad} cases" if bad else ""),
    )


def spoil_case(index: int, b: str, change: Callable[[PairRecord], PairRecord]) -> Spoil:
    """Change the comparison of the subject (or of any side) with `b` in one case."""

    def spoiled(case: CaseLine, pair: PairRecord) -> PairRecord:
        return change(pair) if case.index == index and pair.b == b and pair.a == SUBJECT else pair

    return spoiled


def wrong_run() -> Run:
    """The subject is wrong in case 7, against one oracle; a smaller case is known."""
    run = made_up_run(20, spoiled=spoil_case(7, "torch_autograd", wrong))
    run.shrunk = [shrunk_like(run, 7)]
    return run


def hostile_run() -> Run:
    """Hostile text wherever a name, a message or a token may stand."""

    def spoiled(case: CaseLine, pair: PairRecord) -> PairRecord:
        if case.index == 1 and pair.b == "jax_grad":
            return no_answer(pair, HOSTILE)
        return wrong(pair) if case.index == 2 and pair.a == SUBJECT else pair

    run = made_up_run(
        12,
        spoiled=spoiled,
        missing={HOSTILE: HOSTILE},
        target=HOSTILE,
        conventions={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        platform=HOSTILE,
        blas=HOSTILE,
    )
    run.cases[2] = replace(run.cases[2], token=HOSTILE, origin=HOSTILE, regime=HOSTILE)
    run.shrunk = [replace(shrunk_like(run, 2), cell=HOSTILE)]
    run.footer = replace(footer_of(run), reason=HOSTILE)
    run.header = replace(run.header, subject=HOSTILE)
    hostile_name = {SUBJECT: HOSTILE}
    run.header = replace(
        run.header,
        sides=tuple(hostile_name.get(s, s) for s in run.header.sides),
        pairs=tuple((hostile_name.get(a, a), b) for a, b in run.header.pairs),
    )
    run.results = [
        replace(line, pairs=tuple(replace(p, a=hostile_name.get(p.a, p.a)) for p in line.pairs))
        for line in run.results
    ]
    return run
