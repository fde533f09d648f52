"""What was found out about one implementation, in words: the same on a terminal and on a page."""

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checked import BROKEN, Checked, CheckResult
from backproof.records import ParameterRecord
from backproof.sentences import SHOWN


def headline(checked: Checked, hints: str = "layer") -> str:
    """The verdict in one sentence, with how many checks have which status.

    hints: of `giving_away.HINTS`; under "none" no check is named, and none counted by its status
    """
    counts = checked.counted() if hints != "none" else {}
    told = ", ".join(f"{number} {status}" for status, number in counts.items())
    number = len(checked.results)
    checks = f"{number} check{'' if number == 1 else 's'}"
    return f"{verdict(checked, hints)} ({checks}{': ' if told else ''}{told})."


def verdict(checked: Checked, hints: str = "layer") -> str:
    """The verdict alone, without a full stop."""
    first = checked.first_broken
    if first is not None:
        where = "" if hints == "none" else f": {first.check.id} breaks first"
        return f"{checked.name} {_broken(first.status)}{where}"
    if checked.exit_code == 0:
        soft = sum(result.status in BROKEN for result in checked.results)  # of level "should"
        known = checked.counted().get("xfail", 0)
        but = [f"{soft} that only should hold"] if soft else []
        but += [f"{known} that {'is' if known == 1 else 'are'} expected to fail"] if known else []
        said = f" but for {' and '.join(but)}" if but else ""
        return f"{checked.name} is right in everything that it claims{said}"
    return f"{checked.name} could not be judged"


def _broken(status: str) -> str:
    if status == "xpass":
        return "is better than backproof.toml expects"
    return "is not right" if status in ("fail", "close") else f"gives no answer ({status})"


def from_the_output(records: Sequence[ParameterRecord]) -> list[ParameterRecord]:
    """As the pass goes back through the layers."""
    order = list(SHOWN)
    return sorted(records, key=lambda r: (-r.layer, order.index(r.parameter)))


def number(value: float) -> str:
    """As many digits as tell two numbers apart at a glance."""
    return f"{value:.8g}" if np.isfinite(value) else str(value)


def about(checked: Checked) -> Iterator[str]:
    """How it was called, what was inferred, what was claimed."""
    if checked.adapted:
        yield f"called: {checked.adapted}"
    for name, said in checked.conventions.items():
        yield f"{name}: {said}"
    yield f"claimed: {claimed(checked)}"
    yield from checked.notes
    yield from checked.advice


def claimed(checked: Checked) -> str:
    """Claimed / all, field by field."""
    return ", ".join(f"{field} {' '.join(names)}" for field, names in checked.claims.items())


def worth_a_line(checked: Checked) -> list[CheckResult]:
    """What is neither red nor dull: `close`, a `should` that fails, what could not be decided."""
    quiet = ("pass", "skipped", "blocked")
    first = checked.first_broken
    return [
        result
        for result in checked.results
        if result.status not in quiet and result is not first and not checked.fails(result)
    ]


def line_of(result: CheckResult) -> str:
    """A check in one line."""
    level = " (should)" if result.check.level == "should" else ""
    token = f" [{result.case.token}]" if result.case is not None else ""
    return f"{result.check.id}{level}: {result.status}, {result.message}{token}"
