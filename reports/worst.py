"""Section 6: the worst cases, each with its numbers side by side and the way to see it again.

Wrong cases come first, the smallest that fails and the worst: the shrunk case is easy to follow,
but understates the error.
"""

import math
import shlex
from collections.abc import Callable, Iterable, Sequence

from backproof.casefiles import FILE_PREFIX
from backproof.records import CaseLine, PairRecord, ParameterRecord, Run, condition_of
from reports.audit import is_estimate, is_own
from reports.markup import (
    Markup,
    counted,
    join,
    pair_name,
    plural,
    short,
    table,
    tag,
)
from reports.snippet import numpy_snippet
from reports.tables import element, measure
from reports.unjudged import first_line

_CLOSEST = 10
_MOST_TOKENS = 5
_MOST_SHRUNK = 6


def worst_section(run: Run) -> Markup:
    """Wrong cases of the subject, then of oracles among themselves, then the closest calls."""
    details = {(line.index, p.a, p.b): p.parameters for line in run.details for p in line.pairs}
    cases = {case.index: case for case in run.cases}
    told = {
        line.index: (cases[line.index], [_detailed(p, line.index, details) for p in line.pairs])
        for line in run.results
    }
    return join(
        _block(
            run,
            told,
            f"Cases that {run.header.subject} got wrong",
            lambda p: _wrong(p) and is_own(run, p),
        ),
        _block(
            run,
            told,
            "Cases in which oracles contradict each other",
            lambda p: _wrong(p) and not is_own(run, p),
        ),
        _block(run, told, "Cases in which a side gave no answer", lambda p: p.verdict == "error"),
        _closest(run, told),
    )


def _wrong(pair: PairRecord) -> bool:
    return pair.verdict == "wrong"


Told = dict[int, tuple[CaseLine, list[PairRecord]]]
Fails = Callable[[PairRecord], bool]


def _detailed(
    pair: PairRecord,
    index: int,
    details: dict[tuple[int, str, str], tuple[ParameterRecord, ...]],
) -> PairRecord:
    if pair.parameters:
        return pair
    parameters = details.get((index, pair.a, pair.b), ())
    return PairRecord(
        pair.a, pair.b, pair.verdict, pair.worst, pair.counts, parameters, pair.failure
    )


def _ranked(told: Told, fails: Fails) -> list[int]:
    """The cases with a comparison that fails so, the largest error first."""
    found = []
    for index, (_, pairs) in told.items():
        errors = [measure(pair)[0] for pair in _proved([p for p in pairs if fails(p)])]
        if errors:
            found.append((-max(0.0 if math.isnan(e) else e for e in errors), index))
    return [index for _, index in sorted(found)]


def _proved(pairs: list[PairRecord]) -> list[PairRecord]:
    """Pairs whose bound is proved, if there are any: an estimated bar does not rank."""
    return [pair for pair in pairs if not is_estimate(pair.a, pair.b)] or pairs


def _block(run: Run, told: Told, title: str, fails: Fails) -> Markup:
    """The smallest cases that fail so, the worst one, and the tokens of the next."""
    indices = _ranked(told, fails)
    if not indices:
        return Markup()
    shrunk = [line for line in run.shrunk if any(map(fails, line.pairs))]
    minimal = [
        _card(
            run,
            f"Smallest case that fails like case {line.of}",
            line.case,
            list(line.pairs),
            note=f"What the two have in common: {line.cell}.",
        )
        for line in shrunk[:_MOST_SHRUNK]
    ]
    case, pairs = told[indices[0]]
    worst = _card(run, f"Worst of them: case {case.index}", case, pairs)
    return join(
        tag("h3", f"{title}: {counted(len(indices))}"),
        minimal or tag("p", "No smaller case was looked for."),
        worst,
        _others([told[index][0] for index in indices[1 : _MOST_TOKENS + 1]], len(indices) - 1),
    )


def _others(cases: Sequence[CaseLine], number: int) -> Markup:
    if not cases:
        return Markup()
    tokens = [tag("li", f"case {case.index}: ", tag("code", case.token)) for case in cases]
    more = number - len(cases)
    rest = tag("li", f"and {counted(more)} more, in agreement.csv") if more else ""
    return join(tag("p", "The next worst:"), tag("ul", tokens, rest, class_="tokens"))


def _closest(run: Run, told: Told) -> Markup:
    """The cases that came nearest to the bound without leaving it."""
    ranked = []
    for index, (_, pairs) in told.items():
        if any(pair.verdict in ("wrong", "error") for pair in pairs):
            continue
        errors = [error for p in _proved(pairs) if not math.isnan(error := measure(p)[0])]
        if errors:
            ranked.append((-max(errors), index))
    if not ranked:
        return tag("p", "No case could be measured without a wrong comparison.")
    shown = sorted(ranked)[:_CLOSEST]
    return join(
        tag("h3", f"Nearest to the bound: {plural(len(shown), 'case')}"),
        tag("p", "Not wrong; the largest errors that rounding still explains. Open one to see it."),
        [_folded(run, *told[index], -error) for error, index in shown],
    )


def _folded(run: Run, case: CaseLine, pairs: list[PairRecord], error: float) -> Markup:
    farthest = _farthest(_proved(pairs))
    place = farthest.worst if farthest else None
    where = f"layer {place.layer}, {place.parameter}{element(place)}" if place else ""
    return tag(
        "details",
        tag("summary", tag("b", short(error)), f" case {case.index} · {network(case)} · {where}"),
        _body(run, case, pairs),
        class_="case",
    )


def _farthest(pairs: Iterable[PairRecord]) -> PairRecord | None:
    """The pair with the largest error that can be measured."""
    measured = [pair for pair in pairs if not math.isnan(measure(pair)[0])]
    return max(measured, key=lambda pair: measure(pair)[0], default=None)


def network(case: CaseLine) -> str:
    """The net in one line: 3-5-2 tanh/identity, half_squared_error."""
    return f"{'-'.join(map(str, case.widths))} {'/'.join(case.activations)}, {case.loss}"


def _card(
    run: Run, title: str, case: CaseLine, pairs: list[PairRecord], *, note: str = ""
) -> Markup:
    return tag(
        "article",
        tag("h4", title),
        tag("p", _sentence(pairs)),
        tag("p", note, class_="note") if note else "",
        _body(run, case, pairs, opened=True),
        class_="case",
    )


def _sentence(pairs: list[PairRecord]) -> Markup:
    """Layer, parameter, element and both numbers of the first wrong comparison, in words."""
    pair = next((p for p in pairs if p.verdict == "wrong" and p.worst is not None), None)
    if pair is None or pair.worst is None:
        failed = next((p.failure for p in pairs if p.verdict == "error"), "")
        return join("A side gave no answer: ", first_line(failed))
    worst = pair.worst
    return join(
        f"Layer {worst.layer}, ",
        tag("code", f"{worst.parameter}{element(worst)}"),
        ": ",
        tag("code", pair.a),
        " has ",
        tag("code", repr(worst.value_a)),
        ", ",
        tag("code", pair.b),
        " has ",
        tag("code", repr(worst.value_b)),
        ". Nothing rounds in this case: they should be the same."
        if worst.bound == 0.0
        else f". They lie {short(worst.error_in_bounds)} times as far apart as rounding explains.",
    )


def _body(run: Run, case: CaseLine, pairs: list[PairRecord], *, opened: bool = False) -> Markup:
    # Of wrong pairs all layers are shown, otherwise of the farthest pair; agreement.csv has all.
    wrong = [pair for pair in pairs if pair.verdict == "wrong"]
    farthest = wrong or [pair for pair in [_farthest(_proved(pairs))] if pair is not None]
    detailed = [pair for pair in farthest if pair.parameters]
    return join(
        _fields(case),
        _side_by_side(pairs, case.dtype),
        [_parameters(pair, case.dtype, opened and pair is detailed[0]) for pair in detailed],
        _reproduction(run, case),
    )


def _fields(case: CaseLine) -> Markup:
    told = [
        ("token", case.token),
        ("network", "-".join(map(str, case.widths))),
        ("activations", "/".join(case.activations)),
        ("loss", case.loss),
        ("reduction", case.reduction),
        ("bias", case.bias),
        ("rows n", str(case.n)),
        ("alpha", repr(case.alpha)),
        ("numbers", f"{case.regime}, × 2^{case.scale}, {case.dtype}"),
        ("origin", case.origin),
    ]
    return tag(
        "dl",
        [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in told],
        class_="fields",
    )


def _side_by_side(pairs: list[PairRecord], dtype: str) -> Markup:
    return table(
        "The worst array of each pair, at its worst element",
        ["a × b", "verdict", "where", "value of a", "value of b", *_ERROR_HEADS],
        [_pair_row(pair, dtype) for pair in pairs],
        class_="numbers",
        label="Numbers side by side",
    )


# condition: the bound in units of u times the value, so what one rounding may grow to.
_ERROR_HEADS = ("bound", "error / bound", "ULP", "condition")


def _pair_row(pair: PairRecord, dtype: str) -> list[Markup]:
    head, verdict = pair_name(pair.a, pair.b), _verdict(pair.verdict)
    if pair.worst is None:
        return [head, verdict, tag("td", first_line(pair.failure), colspan=7)]
    worst = pair.worst
    where = join(f"layer {worst.layer} ", tag("code", f"{worst.parameter}{element(worst)}"))
    return [head, verdict, where, *_values(worst, dtype)]


def _values(record: ParameterRecord, dtype: str) -> list[Markup]:
    return [
        tag("td", repr(record.value_a), class_="num"),
        tag("td", repr(record.value_b), class_="num"),
        tag("td", short(record.bound), class_="num"),
        tag("td", short(record.error_in_bounds), class_="num"),
        tag("td", short(record.error_ulp), class_="num"),
        tag("td", short(condition_of(record, dtype)), class_="num"),
    ]


def _verdict(word: str) -> Markup:
    return tag("td", tag("span", word, class_="off" if word in ("wrong", "error") else False))


def _parameters(pair: PairRecord, dtype: str, opened: bool) -> Markup:
    rows = [
        [
            join(f"layer {record.layer} ", tag("code", record.parameter + element(record))),
            _verdict(record.verdict),
            *_values(record, dtype),
            tag("td", short(record.norm_a), class_="num"),
            tag("td", short(record.norm_b), class_="num"),
            tag("td", short(record.norm_difference), class_="num"),
            tag("td", "–" if math.isnan(record.cosine) else f"{record.cosine:.6g}", class_="num"),
        ]
        for record in pair.parameters
    ]
    heads = ["array", "verdict", "value of a", "value of b", *_ERROR_HEADS]
    heads += ["norm a", "norm b", "norm a − b", "cosine"]
    return tag(
        "details",
        tag("summary", "Every layer and parameter of ", pair_name(pair.a, pair.b)),
        table("", heads, rows, class_="numbers arrays", label="Every layer and parameter"),
        open=opened,
    )


def _reproduction(run: Run, case: CaseLine) -> Markup:
    command = ["backproof", "replay", case.token]
    command += ["--impl", run.header.target] if run.header.target else []
    given = case.token.startswith(FILE_PREFIX)
    command += ["--out", "."] if given else []
    where = " (in the folder of this page, beside `cases/`)" if given else ""
    return join(
        tag("p", f"Again, all sides side by side{where}:"),
        tag("pre", shlex.join(command), tabindex=0),
        tag(
            "details",
            tag("summary", "Its numbers in plain NumPy"),
            tag("pre", numpy_snippet(case), tabindex=0),
        ),
    )
