"""The first thing a reader sees: does it agree, how far at worst, and is the run whole."""

from collections.abc import Iterable

from backproof.records import Run
from reports.audit import AGREES, DISAGREES, Standing, is_estimate, other_side, own_pairs
from reports.markup import (
    Markup,
    counted,
    join,
    names,
    pair_name,
    plural,
    short,
    table,
    tag,
)
from reports.spread import Axis, strip
from reports.tables import SummaryRow, element, measure


def headline(run: Run, standing: Standing) -> Markup:
    """The verdict as one sentence."""
    subject = tag("code", run.header.subject)
    if standing.verdict == AGREES:
        return join(subject, " agrees with ", names(standing.agreeing), ".")
    if standing.wrong_cases:
        whole = plural(len(run.results), "case")
        return join(subject, f" is wrong in {counted(standing.wrong_cases)} of {whole}.")
    if standing.verdict == DISAGREES:
        return join(subject, " disagrees, says the footer of the run.")
    return join("Whether ", subject, " agrees is not shown.")


def title(run: Run, standing: Standing) -> str:
    """The name of the page, for a tab or a bookmark."""
    words = {AGREES: "agrees", DISAGREES: "does not agree"}
    return f"{run.header.subject} {words.get(standing.verdict, '– not shown to agree')} · backproof"


def banners(run: Run, standing: Standing) -> Markup:
    """What must be known before any number is believed, on top of the page."""
    told = [
        _banner(
            join(
                tag("strong", "Oracle missing: "),
                tag("code", name),
                " is not installed, so it judged nothing and counts as no agreement. ",
                how,
            )
        )
        for name, how in run.header.missing.items()
    ]
    told += [_banner(join(tag("strong", "The run is not whole. "), text)) for text in _gaps(run)]
    told += [
        _banner(join(tag("strong", "It does not add up. "), text)) for text in standing.complaints
    ]
    if standing.silent:
        text = " took part, but no element of it agrees, so it is no witness here."
        told.append(_banner(join(tag("strong", "Nothing said. "), names(standing.silent), text)))
    if standing.oracle_wrong:
        text = f"{plural(standing.oracle_wrong, 'comparison')} of two oracles came out wrong."
        told.append(_banner(join(tag("strong", "The oracles disagree. "), text, " See section 6.")))
    if standing.unanswered:
        text = f"In {plural(standing.unanswered, 'check')} a side gave no answer. See section 3."
        told.append(_banner(join(tag("strong", "No answer. "), text)))
    return join(told)


def _gaps(run: Run) -> list[str]:
    footer, whole = run.footer, plural(len(run.cases), "case")
    if footer is None:
        return [f"It has no last line; {counted(len(run.results))} of {whole} have a result."]
    if not footer.complete:
        return [f"It was stopped: {footer.reason or f'{len(run.results):,} of {whole} judged'}."]
    return [f"{footer.reason}."] if footer.exit_code not in (0, 1) else []


def _banner(content: Markup) -> Markup:
    return tag("p", content, class_="banner", role="note")


def verdict_section(run: Run, standing: Standing, summary: list[SummaryRow]) -> Markup:
    """Section 1: the sentence, and the numbers that stand behind it."""
    rows = {(row.a, row.b): row for row in summary if row.field == "all"}
    own = [rows[pair] for pair in own_pairs(run) if pair in rows]
    checked = sum(row.checked for row in own)
    proved = [row for row in own if not is_estimate(row.a, row.b)]
    unit = "the bound" if proved else "the finite-difference bar"
    worst = _largest(row.worst_in_bounds for row in proved or own)
    facts = [
        (counted(len(run.results)), "cases judged" + _of(len(run.results), len(run.cases))),
        (
            counted(standing.recorded - standing.unanswered),
            f"checks made of {counted(standing.promised)} promised",
        ),
        *(
            (counted(len(run.cases) - cases), f"cases for {name}, of the largest nets a share")
            for name, cases in run.header.left_out.items()
        ),
        (counted(checked), "elements of ΔW, Δb and their gradients checked"),
        (short(worst), f"worst error, in units of {unit}"),
    ]
    # Why the code is 1 though no case is wrong; other codes have a banner of their own.
    told = run.footer is None or standing.wrong_cases or run.footer.exit_code != 1
    reason = "" if told or run.footer is None else run.footer.reason
    return join(
        tag("p", _lead(run, standing, worst, unit), class_="lead"),
        tag("p", f"In short: {reason}.", class_="lead") if reason else "",
        tag(
            "dl",
            [tag("div", tag("dt", name), tag("dd", value)) for value, name in facts],
            class_="facts",
        ),
        tag(
            "p",
            "The bound is how far two right implementations may lie apart through rounding alone, "
            "derived for each element. 1 is all that rounding explains; above 1 something else "
            "is going on. The bar of finite differences is an estimate, not a proof: it does not "
            "rank among the worst, and what lies outside it is decided by the other oracles.",
            class_="note",
        ),
    )


def _of(part: int, whole: int) -> str:
    return "" if part == whole else f" of {counted(whole)}"


def _lead(run: Run, standing: Standing, worst: float | None, unit: str) -> Markup:
    if standing.wrong_cases:
        pairs = [
            other_side(run, pair)
            for pair in own_pairs(run)
            if any(
                (p.a, p.b) == pair and p.verdict == "wrong" for r in run.results for p in r.pairs
            )
        ]
        return join(
            "It disagrees with ",
            names(pairs),
            ", by more than rounding can explain. Section 6 shows the smallest case and the worst.",
        )
    if standing.verdict == AGREES:
        far = f"the worst error is {short(worst)} of {unit}"
        return join(f"No check came out wrong, and {far}.")
    return join("No check came out wrong, but that is not enough to say that it agrees.")


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def distance_section(run: Run, summary: list[SummaryRow]) -> Markup:
    """Section 2: per pair, how far apart at worst and usually, and where."""
    rows = {(row.a, row.b): row for row in summary if row.field == "all"}
    told = [pair for pair in run.header.pairs if pair in rows]
    axis = Axis.over([rows[pair] for pair in told])
    places = _worst_places(run)
    return table(
        "Errors in units of the bound, over all cases: median (tick), the middle 80 % of the cases "
        "(bar) and the worst (dot). The line stands at 1, the bound.",
        ["Pair", axis.drawn(), "worst", "median", "worst ULP", "median ULP", "worst is where"],
        [
            [
                pair_name(*pair),
                tag("td", strip(rows[pair], axis), class_="strip"),
                _number(rows[pair].worst_in_bounds),
                _number(rows[pair].median_in_bounds),
                _number(rows[pair].worst_ulp),
                _number(rows[pair].median_ulp),
                places.get(pair, "–"),
            ]
            for pair in told
        ],
        class_="wide",
        label="How far at worst",
    )


def _number(value: float | None) -> Markup:
    return tag("td", short(value), class_="num")


def _worst_places(run: Run) -> dict[tuple[str, str], Markup]:
    """Per pair, the case, layer, parameter and element of the largest error."""
    largest: dict[tuple[str, str], float] = {}
    places: dict[tuple[str, str], Markup] = {}
    for line in run.results:
        for pair in line.pairs:
            error, _ = measure(pair)
            key = (pair.a, pair.b)
            if pair.worst is not None and error > largest.get(key, -1.0):
                largest[key] = error
                where = f"case {line.index}, layer {pair.worst.layer}, "
                array = tag("code", f"{pair.worst.parameter}{element(pair.worst)}")
                places[key] = join(where, array)
    return places
