"""Section 4: the square of all sides, who agrees with whom."""

from backproof.records import Run
from reports.markup import Markup, join, name_code, scrolling, short, tag
from reports.tables import SummaryRow

# Upper ends of the shades, in units of the bound; above the last nothing is explained by rounding.
_SHADES = ((0.01, "h1"), (0.1, "h2"), (0.5, "h3"), (1.0, "h4"))


def sides_section(run: Run, summary: list[SummaryRow]) -> Markup:
    """Colour: worst error in units of the bound. Text: median ULP."""
    rows = {frozenset((row.a, row.b)): row for row in summary if row.field == "all"}
    sides = [*run.header.sides, *(n for n in run.header.missing if n not in run.header.sides)]
    heads = [tag("th", name_code(name), scope="col") for name in sides]
    body = [
        tag(
            "tr",
            tag("th", name_code(a), scope="row"),
            [_square(run, a, b, rows.get(frozenset((a, b)))) for b in sides],
        )
        for a in sides
    ]
    caption = (
        "Colour: the worst error in units of the bound. Figure: the median, over the cases, of the "
        "largest error in ULP (units in the last place of the case's dtype)."
    )
    grid = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", tag("td"), heads)),
        tag("tbody", body),
        class_="heat",
    )
    return join(scrolling("Who agrees with whom", grid), _legend())


def _square(run: Run, a: str, b: str, row: SummaryRow | None) -> Markup:
    if a == b:
        return tag("td", tag("span", "itself", class_="hidden"), class_="same")
    if a in run.header.missing or b in run.header.missing:
        return tag("td", tag("small", "not installed"), class_="none")
    if row is None:
        return tag("td", tag("small", "not compared"), class_="none")
    if row.worst_in_bounds is None:
        return tag("td", tag("small", "nothing measured"), class_="none")
    wrong = tag("small", f"wrong in {row.wrong_cases:,}") if row.wrong_cases else ""
    return tag(
        "td",
        tag("strong", f"{short(row.median_ulp)} ULP"),
        tag("small", f"worst {short(row.worst_in_bounds)}"),
        wrong,
        class_=shade(row),
    )


def shade(row: SummaryRow) -> str:
    """The class of a square's colour."""
    if row.wrong_cases or row.worst_in_bounds is None:
        return "h5"
    return next((name for end, name in _SHADES if row.worst_in_bounds <= end), "h5")


def _legend() -> Markup:
    told = [("h1", "up to 0.01"), ("h2", "0.1"), ("h3", "0.5"), ("h4", "1, the bound")]
    told += [("h5", "beyond, or wrong"), ("none", "no comparison")]
    return tag(
        "ul",
        [tag("li", tag("span", class_=f"chip {name}"), text) for name, text in told],
        class_="legend",
    )
