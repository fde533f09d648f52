"""Section 5: the distribution of errors by depth, activation, loss, ... as strips on a log axis."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backproof.records import Run
from reports.audit import other_side, own_pairs
from reports.grouping import FIELDS, Field
from reports.markup import Markup, counted, join, name_code, short, table, tag, void
from reports.tables import SummaryRow

# The ends of a strip are kept free for what has no place on a log axis: 0 on the left, infinity
# on the right. In percent of its width.
_LEFT, _RIGHT = 6.0, 94.0
_ZERO, _INFINITY = 2.0, 98.0
# An error of a hundred-thousandth of the bound is as good as none: the axis need not reach it.
_SMALLEST = -5
_MOST_TICKS = 4

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis in units of the bound, from 10**low to 10**high; 1 is always on it."""

    low: int
    high: int

    @classmethod
    def over(cls, rows: Iterable[SummaryRow]) -> "Axis":
        """The axis that holds the errors of these rows."""
        values = [v for row in rows for v in (row.p10_in_bounds, row.worst_in_bounds)]
        tens = [math.log10(v) for v in values if v and math.isfinite(v)]
        low = max(math.floor(min(tens, default=-3)), _SMALLEST)
        return cls(min(low, -3), max(math.ceil(max(tens, default=0)), 1))

    def at(self, value: float) -> float:
        """Where a value stands, in percent of the width."""
        if value <= 0:
            return _ZERO
        if math.isinf(value):
            return _INFINITY
        where = (math.log10(value) - self.low) / (self.high - self.low)
        return _LEFT + (_RIGHT - _LEFT) * min(max(where, 0.0), 1.0)

    def ticks(self) -> list[int]:
        """Powers of ten to label: few, and 0 (the bound) among them."""
        step = max(1, math.ceil((self.high - self.low) / _MOST_TICKS))
        return [power for power in range(self.low, self.high + 1) if power % step == 0]

    def drawn(self) -> Markup:
        """The labels of the axis, as wide as the strips under it."""
        labels = [
            tag("text", _power(power), x=_percent(self.at(10.0**power)), y=11)
            for power in self.ticks()
        ]
        told = f"error in units of the bound, 10^{self.low} to 10^{self.high}, logarithmic"
        return tag("svg", labels, class_="axis", role="img", aria_label=told)


def _power(power: int) -> str:
    return "1" if power == 0 else "10" + str(power).translate(_SUPERSCRIPTS)


def _percent(where: float) -> str:
    return f"{where:.1f}%"


def strip(row: SummaryRow | None, axis: Axis) -> Markup:
    """Median, middle 80 % and worst of one group of cases; the bound as a line across."""
    if row is None or row.worst_in_bounds is None:
        return tag("span", "nothing measured", class_="faint")
    median, low = row.median_in_bounds or 0.0, row.p10_in_bounds or 0.0
    high, worst = row.p90_in_bounds or 0.0, row.worst_in_bounds
    label = (
        f"median {short(median)}, 9 of 10 cases up to {short(high)}, worst {short(worst)} "
        f"bounds in {row.measured_cases} cases"
    )
    start, stop = axis.at(low), axis.at(high)
    return tag(
        "svg",
        tag("title", label),
        _line("track", _LEFT, _RIGHT, 9),
        void("rect", class_="band", x=_percent(start), width=_percent(stop - start), y=5, height=8),
        _upright("limit", axis.at(1.0), 0, 18),
        _upright("mid", axis.at(median), 3, 15),
        void(
            "circle",
            class_="top off" if row.wrong_cases else "top",
            cx=_percent(axis.at(worst)),
            cy=9,
            r=3.5,
        ),
        class_="strip",
        role="img",
        aria_label=label,
    )


def _line(kind: str, start: float, stop: float, y: int) -> Markup:
    return void("line", class_=kind, x1=_percent(start), x2=_percent(stop), y1=y, y2=y)


def _upright(kind: str, where: float, top: int, bottom: int) -> Markup:
    return void("line", class_=kind, x1=_percent(where), x2=_percent(where), y1=top, y2=bottom)


# What a reader asks first; the others are folded away.
_FIRST = ("depth", "activation", "loss", "scale", "dtype", "regime", "width", "batch")


def spread_section(run: Run, summary: Sequence[SummaryRow]) -> Markup:
    """The subject's errors against each oracle, by each field of a case."""
    pairs = own_pairs(run)
    rows = {(row.field, row.value, row.a, row.b): row for row in summary}
    axis = Axis.over(row for row in summary if (row.a, row.b) in pairs)
    shown = [
        _field_table(run, field, rows, pairs, axis) for field in FIELDS if field.name in _FIRST
    ]
    others = [f for f in FIELDS if f.name not in (*_FIRST, "all")]
    folded = [_field_table(run, field, rows, pairs, axis) for field in others]
    return join(
        tag(
            "p",
            "Each strip shows the worst errors of many cases on a logarithmic axis in units of the "
            "bound: the median as a tick, the middle 80 % of the cases as a bar, the worst as a "
            "dot and in figures. The line across stands at 1, the bound. A mark at the far left is "
            "0, or too small for the axis.",
        ),
        tag("div", shown, class_="figures"),
        tag(
            "details",
            tag("summary", "By bias, reduction, size and origin"),
            tag("div", folded, class_="figures"),
        ),
    )


def _field_table(
    run: Run,
    field: Field,
    rows: dict[tuple[str, str, str, str], SummaryRow],
    pairs: list[tuple[str, str]],
    axis: Axis,
) -> Markup:
    values = sorted({key[1] for key in rows if key[0] == field.name}, key=field.order)
    heads = [join(name_code(other_side(run, pair)), axis.drawn()) for pair in pairs]
    body = []
    for value in values:
        found = [rows.get((field.name, value, *pair)) for pair in pairs]
        cases = max((row.cases for row in found if row is not None), default=0)
        cells = [_strip_cell(row, axis) for row in found]
        body.append([name_code(value), tag("td", counted(cases), class_="num"), *cells])
    return table(field.title, ["", "cases", *heads], body, class_="strips", label=field.title)


def _strip_cell(row: SummaryRow | None, axis: Axis) -> Markup:
    wrong = row is not None and row.wrong_cases > 0
    worst = short(row.worst_in_bounds) if row is not None else "–"
    figure = tag("span", worst, class_="worst off" if wrong else "worst")
    return tag("td", tag("div", strip(row, axis), figure, class_="withfigure"))
