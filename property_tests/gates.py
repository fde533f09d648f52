"""What must hold, measured on frozen lists: is the bound right, and tight enough to be of use?

    python -m property_tests.gates                    a share of every list, about a minute or two
    python -m property_tests.gates --scale full       all of it: 10^4 cases per cell, over an hour
    python -m property_tests.gates --only tightness   one gate; --list names them

Exit 0: every target is met; 1: one is missed; 2: a list is not the one that was frozen, or a
framework is missing. The lists are in `corpora.py`; cases are judged as a user's are.
"""

import os

# Before NumPy is imported: its BLAS reads these once. Processes share the work, not threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse  # noqa: E402
import atexit  # noqa: E402
import multiprocessing  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from functools import cache, partial  # noqa: E402
from typing import Any, TypeVar  # noqa: E402

import numpy as np  # noqa: E402

from backproof.case import Case  # noqa: E402
from backproof.errors import BackproofError  # noqa: E402
from backproof.tokens import token_of  # noqa: E402
from property_tests import corpora, detection, judging, wrong_formulas  # noqa: E402
from property_tests.judging import Seat  # noqa: E402
from property_tests.sides import oracles_named, reference_seat  # noqa: E402
from property_tests.tightness import Cell, Tight, tightness_of  # noqa: E402

T = TypeVar("T")

BLOCK = 250  # cases that one process takes at a time
PAIRS_SHOWN = 3  # tokens of failing cases in a row of the table


@dataclass(frozen=True)
class Row:
    """One line of the table.

    target: in words; "-" where the number only stands beside the others   met: or there is none
    """

    gate: str
    what: str
    cases: int
    target: str
    measured: str
    met: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class Docket:
    """How a gate is to be run: which share of each list, and in how many processes."""

    scale: str = "ci"
    jobs: int = 1

    def results(self, name: str, work: Callable[[Sequence[Case]], T]) -> list[T]:
        """`work` of every block of a list, in order; the list is verified on the way.

        A long list is first verified at its beginning: a changed source is said at once.
        """
        if self.scale != "ci":
            corpora.load(name, "ci")
        frozen = corpora.frozen_list(name)
        count = frozen.counts[self.scale]
        blocks = [(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
        tokens: list[str] = []
        found: list[T] = []
        for own, result in self._mapped(partial(_block, name, work), blocks):
            tokens += own
            found.append(result)
        frozen.verify(self.scale, corpora.sha256_of(tokens))
        return found

    def _mapped(
        self, work: Callable[[tuple[int, int]], tuple[list[str], T]], blocks: list[tuple[int, int]]
    ) -> Iterator[tuple[list[str], T]]:
        if self.jobs == 1 or len(blocks) == 1:
            yield from map(work, blocks)
        else:
            yield from _pool(self.jobs).imap(work, blocks)


@cache
def _pool(jobs: int) -> Any:
    # Spawned, for the threads of torch and JAX do not survive a fork.
    pool = multiprocessing.get_context("spawn").Pool(jobs)
    atexit.register(pool.terminate)  # left alone, it complains when the interpreter is half gone
    return pool


def _block(
    name: str, work: Callable[[Sequence[Case]], T], block: tuple[int, int]
) -> tuple[list[str], T]:
    cases = corpora.frozen_list(name).part(*block)
    return [token_of(case) for case in cases], work(cases)


FLOATS = ("torch_autograd", "jax_grad")


@cache
def seats() -> list[Seat]:
    """The reference, torch, JAX and the exact judge; raises MissingExtraError for a missing one."""
    return [reference_seat(), *oracles_named([*FLOATS, "exact"])[0]]


# 1 and 2: nobody who is right lies outside the bound.


@dataclass
class Tally:
    """What was said about the pairs of many cases.

    words: (pair, verdict) -> how often   worst: pair -> largest error in units of the bound
    bad: tokens of cases with a wrong or a missing answer
    """

    cases: int = 0
    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take another one's counts in."""
        self.cases += other.cases
        self.words += other.words
        self.bad += other.bad
        for pair, worst in other.worst.items():
            self.worst[pair] = max(worst, self.worst.get(pair, 0.0))

    def count(self, *words: str) -> int:
        """How many comparisons ended with one of these words."""
        return sum(number for (_, word), number in self.words.items() if word in words)

    @property
    def comparisons(self) -> int:
        return self.words.total()


def tallied(cases: Sequence[Case], *, exact: bool) -> Tally:
    """Judge the cases; of the verdicts, those against `exact`, or those among the others."""
    sides = seats() if exact else seats()[:-1]
    tally = Tally(len(cases))
    for case, pairs in zip(cases, judging.judge(cases, sides), strict=True):
        for pair in pairs:
            if exact and pair.b != "exact":
                continue
            name = f"{pair.a} x {pair.b}"
            tally.words[name, pair.verdict] += 1
            if pair.verdict not in ("agree", "uninformative", "kink", "inconclusive"):
                tally.bad.append(token_of(case))
            if pair.worst is not None:
                worst = float(np.nan_to_num(pair.worst.error_in_bounds, posinf=np.inf))
                tally.worst[name] = max(worst, tally.worst.get(name, 0.0))
    return tally


def _total(docket: Docket, name: str, *, exact: bool) -> Tally:
    total = Tally()
    for tally in docket.results(name, partial(tallied, exact=exact)):
        total.add(tally)
    return total


def violations(docket: Docket) -> Iterator[Row]:
    """No side lies outside its bound around the exact gradient."""
    for group in corpora.GROUPS:
        total, least = Tally(), sys.maxsize
        for activation in corpora.ELEMENTWISE:
            own = _total(docket, f"rows/{activation}/{group}", exact=True)
            least = min(least, own.cases)
            total.add(own)
        yield _clean("violations", f"{group}: 10 activations, {least} cases each", total)
    for name in ("adversarial", "adversarial_drawn"):
        yield _clean("violations", name, _total(docket, name, exact=True))


def alarms(docket: Docket) -> Iterator[Row]:
    """The reference, torch and JAX are never called wrong before each other."""
    total = _total(docket, "space", exact=False)
    yield _clean("alarms", "reference, torch, JAX among each other", total)


def _clean(gate: str, what: str, tally: Tally) -> Row:
    judged, unjudged = tally.count("agree", "uninformative", "kink"), tally.count("inconclusive")
    bad = tally.comparisons - judged - unjudged
    worst = max(tally.worst.values(), default=0.0)
    measured = f"{bad} of {tally.comparisons} ({unjudged} inconclusive), worst {worst:.3g} E"
    if tally.bad:
        measured += f": {' '.join(tally.bad[:PAIRS_SHOWN])}"
    # A gate that judged nothing has shown nothing.
    return Row(gate, what, tally.cases, "0", measured, bad == 0 and judged > 0)


# 3: tightness.

MEDIAN, NINE_TENTHS, HOLLOW, HOLLOW_CELL = 2e-12, 1e-9, 0.015, 0.05
# A cell with fewer nonzero elements than this is not judged alone: one case would be 5 % of it.
LEAST_IN_CELL = 2000


def _tightness(cases: Sequence[Case]) -> Tight:
    reference, _, jax, exact = seats()
    return tightness_of(cases, reference, jax, exact)


def tightness(docket: Docket) -> Iterator[Row]:
    """The bound is small beside what it bounds, nearly everywhere."""
    parts = docket.results("tightness", _tightness)
    cases = corpora.frozen_list("tightness").counts[docket.scale]
    relative = np.concatenate([part.relative for part in parts])
    for what, share, target in (("median", 0.5, MEDIAN), ("p90", 0.9, NINE_TENTHS)):
        measured = float(np.quantile(relative, share, method="inverted_cdf"))
        yield Row("tightness", f"{what} of 2E/|dW|", cases, f"<= {target:g}", f"{measured:.3g}",
                  measured <= target)  # fmt: skip
    hollow = sum(part.hollow for part in parts)
    yield _share("tightness", "elements without use", cases, hollow, len(relative), at_most=HOLLOW)
    lost = sum(part.inconclusive for part in parts)
    yield _share("tightness", "of these, inconclusive", cases, lost, len(relative))
    cells = dict[Cell, list[int]]()
    for part in parts:
        for cell, (nonzero, own) in part.cells.items():
            counts = cells.setdefault(cell, [0, 0])
            counts[0], counts[1] = counts[0] + nonzero, counts[1] + own
    judged = {cell: c for cell, c in cells.items() if c[0] >= LEAST_IN_CELL}
    by_share = sorted(judged, key=lambda cell: -judged[cell][1] / judged[cell][0])
    label = f"{len(judged)} of {len(cells)} cells judged alone"
    for cell in by_share[:1] or [("no cell", "is large enough")]:
        total, own = judged.get(cell, [0, 0])
        what = f"worst cell, {' x '.join(cell)} ({label})"
        yield _share("tightness", what, cases, own, total, at_most=HOLLOW_CELL)
    missed = [cell for cell in by_share[1:] if judged[cell][1] > HOLLOW_CELL * judged[cell][0]]
    for cell in missed:
        total, own = judged[cell][0], judged[cell][1]
        yield _share("tightness", " x ".join(cell), cases, own, total, at_most=HOLLOW_CELL)


def _share(
    gate: str,
    what: str,
    cases: int,
    part: int,
    whole: int,
    *,
    at_most: float = 1.0,
    at_least: float = 0.0,
) -> Row:
    """A share of a whole, with its target; nothing of nothing misses every target."""
    target = f"<= {at_most:.1%}" if at_most < 1 else f">= {at_least:.1%}" if at_least else "-"
    met = target == "-" or (whole > 0 and at_least * whole <= part <= at_most * whole)
    measured = f"{part / whole:.2%} ({part} of {whole})" if whole else "nothing"
    return Row(gate, what, cases, target, measured, met)


# 4: detection.

# (fault of one element, judge) -> at least this share is reported.
DETECTED = {
    (1e-10, "exact"): 0.92,
    (1e-12, "exact"): 0.65,
    (1e-10, "torch_autograd"): 0.85,
}
DERIVATIVE_DETECTED = 0.95


def _faults(cases: Sequence[Case], faults: Sequence[float]) -> dict[float, Any]:
    return detection.element_faults(cases, seats()[1:], faults)


def _derivative(cases: Sequence[Case], eps: float) -> list[Any]:
    return detection.derivative_fault(cases, seats()[1:], eps)


def detected(docket: Docket) -> Iterator[Row]:
    """A fault in one element, or in one derivative of one row, is seen; exactly, always."""
    blocks = docket.results("detection", partial(_faults, faults=detection.ELEMENT_FAULTS))
    for eps in detection.ELEMENT_FAULTS:
        words = [said for block in blocks for said in block[eps]]
        what = f"one dW element x (1 + {eps:g})" if eps else "no fault: false alarms"
        yield from _detection_rows(
            what, words, {j: s for (e, j), s in DETECTED.items() if e == eps}
        )
    eps = detection.DERIVATIVE_FAULT
    found = docket.results("detection", partial(_derivative, eps=eps))
    words = [said for block in found for said in block]
    yield from _detection_rows(f"one g'(z) x (1 + {eps:g})", words, {"exact": DERIVATIVE_DETECTED})
    certain = docket.results("detection", detection.certified_faults)
    for number, (what, target) in enumerate(detection.CERTIFIED.items()):
        said = [own[number] for block in certain for own in block if own[number] is not None]
        wrong, what = sum(map(bool, said)), f"{what}: in exact arithmetic"
        yield _share("detection", what, len(said), wrong, len(said), **target)


def _detection_rows(what: str, words: Sequence[Any], targets: dict[str, float]) -> Iterator[Row]:
    said = [word for word in words if word is not None]
    for number, judge in enumerate(detection.JUDGES):
        part = sum(bool(word[number]) for word in said)
        at_least = targets.get(judge, 0.0)
        yield _share("detection", f"{what}: {judge}", len(said), part, len(said), at_least=at_least)


# 5: wrong formulas.

FORMULAS_DETECTED = 0.95


def formulas(docket: Docket) -> Iterator[Row]:
    """A wrong formula is called wrong where it makes a difference that can be told."""
    every: list[wrong_formulas.Seen] = []
    for formula in wrong_formulas.FORMULAS:
        work = partial(wrong_formulas.seen, formula.name)
        blocks = docket.results(f"formulas/{formula.name}", work)
        found = [seen for block in blocks for seen in block]
        every += found
        differ, far = [s for s in found if s.differs], [s for s in found if s.far]
        number, caught = len(far), sum(s.wrong for s in far)
        seen = f"{caught} of {number} far, {sum(s.wrong for s in differ)} of {len(differ)} at all"
        yield Row("formulas", formula.name, len(found), "all far", seen, caught == number > 0)
    differ = [s for s in every if s.differs]
    part = sum(s.wrong for s in differ)
    yield _share("formulas", "all: differ at all", len(every), part, len(differ),
                 at_least=FORMULAS_DETECTED)  # fmt: skip
    apart = [s for s in every if s.far or s.far_but_rounded]
    part = sum(s.wrong for s in apart)
    yield _share("formulas", "all: far, also where the program rounds by more than E",
                 len(every), part, len(apart))  # fmt: skip
    unknown = sum(s.differs is None for s in every)
    yield _share("formulas", "all: not told in exact arithmetic", len(every), unknown, len(every))


GATES: dict[str, Callable[[Docket], Iterator[Row]]] = {
    "violations": violations,
    "alarms": alarms,
    "tightness": tightness,
    "detection": detected,
    "formulas": formulas,
}


def measured(names: Sequence[str], docket: Docket) -> Iterator[Row]:
    """The rows of these gates, each as soon as it is there, with the seconds since the last."""
    for name in names:
        began = time.perf_counter()
        for row in GATES[name](docket):
            now = time.perf_counter()
            yield Row(**{**vars(row), "seconds": now - began})
            began = now


def main(words: Sequence[str] | None = None) -> int:
    """The command line at the head of this file; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.gates")
    parser.add_argument("--scale", choices=corpora.SCALES, default="ci")
    parser.add_argument("--only", choices=list(GATES), action="append", help="a gate; repeat it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--list", action="store_true", help="name the gates and end")
    asked = parser.parse_args(words)
    if asked.list:
        for name, gate in GATES.items():
            print(f"{name:11} {(gate.__doc__ or '').splitlines()[0]}")
        return 0
    missed = 0
    print(_HEAD, flush=True)
    try:
        for row in measured(asked.only or list(GATES), Docket(asked.scale, max(1, asked.jobs))):
            print(line_of(row), flush=True)
            missed += not row.met
    except BackproofError as error:
        print(f"gates: {error}", file=sys.stderr)
        return 2
    print(f"{missed} missed" if missed else f"all met ({asked.scale} lists)")
    return 1 if missed else 0


_WIDTHS = "{:11} {:64} {:>6} {:>9} {:6} {:>7}  {}"
_HEAD = _WIDTHS.format("gate", "what", "cases", "target", "", "seconds", "measured")


def line_of(row: Row) -> str:
    """A row of the table as text."""
    word = "missed" if not row.met else "" if row.target == "-" else "met"
    seconds = f"{row.seconds:.1f}"
    return _WIDTHS.format(row.gate, row.what, row.cases, row.target, word, seconds, row.measured)


if __name__ == "__main__":
    sys.exit(main())
