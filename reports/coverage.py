"""Section 7: what was covered and what was not, and on what the run was made."""

from collections import Counter
from collections.abc import Iterable

from backproof.names import ACTIVATIONS, LOSSES, OUTPUT_ACTIVATION
from backproof.records import CaseLine, Run
from reports.markup import Markup, bar_of, counted, join, name_code, plural, share, table, tag, void

_DEPTHS = range(1, 6)  # of the standard size, to which all targets refer
_MOST_GAPS = 40

Combination = tuple[str, str, int]


def coverage_section(run: Run) -> Markup:
    """Counts of activation × loss × depth, shares of regime and dtype, and the run's origin."""
    judged = {line.index for line in run.results}
    cases = [case for case in run.cases if case.index in judged]
    counts = combinations(cases)
    return join(
        _square(counts),
        _gaps(counts),
        tag("div", _shares(cases, "regime"), _shares(cases, "dtype"), class_="figures two"),
        _origin(run),
    )


def combinations(cases: Iterable[CaseLine]) -> Counter[Combination]:
    """Cases per (activation anywhere in the net, loss, depth)."""
    return Counter(
        (activation, case.loss, len(case.activations))
        for case in cases
        for activation in set(case.activations)
    )


def possible(activation: str, loss: str, depth: int) -> bool:
    """Is there such a net? A loss may insist on its output activation; softmax is only there."""
    output = OUTPUT_ACTIVATION.get(loss)
    at_output = output is None or activation == output
    return at_output or (depth > 1 and activation != "softmax")


def _square(counts: Counter[Combination]) -> Markup:
    return table(
        join(
            "Cases with an activation (anywhere in the net) under a loss. The small bars are "
            f"depths {_DEPTHS[0]} to {_DEPTHS[-1]}, each beside the largest of its cell; a dash "
            "is a net that cannot be."
        ),
        ["", *(name_code(loss) for loss in LOSSES)],
        [
            [name_code(activation), *(_cell(counts, activation, loss) for loss in LOSSES)]
            for activation in ACTIVATIONS
        ],
        class_="coverage",
        label="Activation, loss and depth",
    )


def _cell(counts: Counter[Combination], activation: str, loss: str) -> Markup:
    if not any(possible(activation, loss, depth) for depth in _DEPTHS):
        return tag("td", "–", class_="num faint")
    total = sum(n for (a, lo, _), n in counts.items() if (a, lo) == (activation, loss))
    bars = [counts[activation, loss, depth] for depth in _DEPTHS]
    most = max(bars) or 1
    told = ", ".join(f"depth {d}: {n}" for d, n in zip(_DEPTHS, bars, strict=True))
    drawn = [
        void(
            "rect",
            x=8 * place,
            y=round(16 - 16 * number / most, 1),
            width=6,
            height=round(16 * number / most, 1),
        )
        for place, number in enumerate(bars)
        if number
    ]
    picture = tag(
        "svg", tag("title", told), drawn, viewBox="0 0 38 16", class_="bars", role="img",
        aria_label=told,
    )  # fmt: skip
    return tag("td", picture, counted(total), class_="num" if total else "num off")


def _gaps(counts: Counter[Combination]) -> Markup:
    wanted = [
        (a, loss, depth)
        for a in ACTIVATIONS
        for loss in LOSSES
        for depth in _DEPTHS
        if possible(a, loss, depth)
    ]
    missing = [combination for combination in wanted if not counts[combination]]
    lead = (
        f"{counted(len(wanted) - len(missing))} of {counted(len(wanted))} possible combinations of "
        f"activation, loss and depth up to {_DEPTHS[-1]} were covered."
    )
    if not missing:
        return tag("p", lead)
    told = [f"{a}, {loss}, depth {depth}" for a, loss, depth in missing[:_MOST_GAPS]]
    more = len(missing) - len(told)
    return join(
        tag("p", lead),
        tag(
            "details",
            tag("summary", f"Not covered: {plural(len(missing), 'combination')}"),
            tag("ul", [tag("li", text) for text in told], class_="columns"),
            tag("p", f"And {counted(more)} more.") if more else "",
        ),
    )


def _shares(cases: list[CaseLine], field: str) -> Markup:
    tally = Counter(str(getattr(case, field)) for case in cases)
    return table(
        f"Share of each {field}",
        [field, "cases", "share"],
        [
            [
                value,
                tag("td", counted(number), class_="num"),
                tag("td", share(number, len(cases)), bar_of(number, len(cases)), class_="share"),
            ]
            for value, number in sorted(tally.items(), key=lambda item: (-item[1], item[0]))
        ],
        label=f"Share of each {field}",
    )


def _origin(run: Run) -> Markup:
    header = run.header
    told = [
        ("subject", header.subject),
        ("target", header.target or "built in"),
        ("seed", str(header.seed)),
        ("cases drawn", counted(header.cases)),
        ("data sets", ", ".join(header.data) or "none"),
        ("SHA-256 of the cases", header.cases_sha256),
        *((f"convention: {name}", value) for name, value in sorted(header.conventions.items())),
        *((f"version of {name}", value) for name, value in sorted(header.versions.items())),
        ("platform", header.platform),
        ("BLAS", header.blas),
        ("schema of run.jsonl", str(header.schema)),
    ]
    return join(
        tag("h3", "Made on"),
        tag(
            "dl",
            [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in told],
            class_="fields",
        ),
    )
