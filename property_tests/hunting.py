"""Hunting: which right program comes nearest to its bound, and does any break it?

    python -m property_tests.hunting                      ten minutes, a new seed
    python -m property_tests.hunting --seed 5 --minutes 60
    python -m property_tests.hunting --only torch_autograd --only "the worst right program"

Each climb (`climbing.py`) has its part of the case space and its right program, both at random, and
goes up to where err/E is largest. What breaks the bound E is stored at once, before anybody repairs
anything; what comes clearly nearer than all that is stored, at the end or after Ctrl-C. Exit 0: no
bound was broken; 1: one was; 2: it could not be stored.
"""

import os

# Before NumPy is imported: its BLAS reads these once.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse  # noqa: E402
import secrets  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from itertools import product  # noqa: E402
from random import Random  # noqa: E402

from backproof import casefiles  # noqa: E402
from backproof.case import Case  # noqa: E402
from backproof.errors import BackproofError  # noqa: E402
from backproof.tokens import token_of  # noqa: E402
from property_tests import corpora  # noqa: E402
from property_tests.climbing import (  # noqa: E402
    ACCUSED,
    WORST,
    Cell,
    Find,
    InFloats,
    WorstRight,
    accused_named,
    claims_of,
    climb,
    seat_named,
)
from property_tests.corpora import ELEMENTWISE, GROUPS  # noqa: E402
from property_tests.interruption import Interruption  # noqa: E402

# ---- the bag: what is kept ----

Kind = tuple[str, str]  # accused, group of losses


@dataclass
class Bag:
    """The nearest find of each accused and group of losses, and all that broke a bound.

    records: what the stored list already reached
    """

    records: dict[Kind, float]
    best: dict[Kind, Find] = field(default_factory=dict)
    broken: list[Find] = field(default_factory=list)

    def add(self, find: Find) -> None:
        """Keep it if it is nearer than the others of its kind; store it now if a bound broke."""
        kind = find.accused.name, find.cell[1]
        if find.broken:
            store([find])
            self.broken.append(find)
        elif kind not in self.best or find.ratio > self.best[kind].ratio:
            self.best[kind] = find

    def nearer(self) -> list[Find]:
        """What comes nearer than the record by a tenth of the way that is left to the bound.

        So the list grows by the logarithm of what is reached. The worst right program is near its
        bound by design, and keeps no records.
        """
        return [
            find
            for (name, group), find in self.best.items()
            if name != WORST and 1.0 - find.ratio < 0.9 * (1.0 - self.records[name, group])
        ]


def records_of(names: Sequence[str], cases: Sequence[Case]) -> dict[Kind, float]:
    """The largest err/E of each accused in floats and group, on the cases of the stored list."""
    records = {(name, group): 0.0 for name, group in product(names, GROUPS)}
    for name in names:
        if name == WORST:
            continue
        for case, ratio in zip(cases, InFloats(seat_named(name)).ratios(cases), strict=True):
            kind = name, group_of(case)
            records[kind] = max(records[kind], ratio)
    return records


def group_of(case: Case) -> str:
    """The group of `corpora.GROUPS` to which the loss belongs, and the output where it counts."""
    softmax = "softmax_" if case.activations[-1] == "softmax" else ""
    return next(
        (name for name in ("binary", "classes") if case.loss in GROUPS[name][1]),
        f"{softmax}squares",
    )


def store(finds: Sequence[Find]) -> None:
    """Into the list `adversarial`, which is frozen again; raises OSError where that cannot be.

    What the worst right program breaks goes into `bound_terms.txt` as well, where it is asked
    again: as a real program it may break nothing.
    """
    for find in finds:
        token = token_of(find.case)
        if find.case.given is not None:
            casefiles.save(find.case, corpora.FOLDER / "cases")
        _append("adversarial.txt", token, f"{token}  # {find}")
        if isinstance(find.accused, WorstRight):
            own = find.accused
            _append("bound_terms.txt", token, f"{token} {own.family} {own.style}  # {find}")
    if finds:
        corpora.regenerate("adversarial")


def _append(name: str, token: str, line: str) -> None:
    path = corpora.FOLDER / name
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    if token not in known:
        path.write_text(f"{known}{line}\n", encoding="utf-8")


# ---- the command ----


def hunt(names: Sequence[str], random: Random, seconds: float, bag: Bag) -> None:
    """Climb in one part of the space after the other, in random order, until time is up."""
    began = time.monotonic()
    with Interruption() as interruption:
        for climbs, (name, cell) in enumerate(_places(names, random), 1):
            accused = accused_named(name, random)
            claims = claims_of(cell, accused.size, random)
            for find in climb(accused, cell, claims, random):
                bag.add(find)
                interruption.check()
                if time.monotonic() - began > seconds:
                    break
            spent = time.monotonic() - began
            _say(climbs, spent, seconds, find)
            if spent > seconds:
                return


def _places(names: Sequence[str], random: Random) -> Iterator[tuple[str, Cell]]:
    """Everybody in every cell, in random order, and again."""
    places = [(name, cell) for name in names for cell in product(ELEMENTWISE, GROUPS)]
    while True:
        yield from random.sample(places, len(places))


def _say(climbs: int, spent: float, seconds: float, find: Find) -> None:
    word = "BROKEN" if find.broken else ""
    line = f"{spent:5.0f} of {seconds:.0f} s  climb {climbs}  from {find.sampled:.3g} E  {find}"
    print(f"{line}  {word}".rstrip(), flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """The command line at the head of this file; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.hunting")
    parser.add_argument("--seed", type=int, help="the same hunts in the same order")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", choices=ACCUSED, action="append", help="a program; repeat it")
    asked = parser.parse_args(words)
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    names = asked.only or list(ACCUSED)
    try:
        print(f"hunting with --seed {seed}; Ctrl-C keeps what was found", flush=True)
        bag = Bag(records_of(names, corpora.stored_cases(corpora.FOLDER / "adversarial.txt")))
        _hunted(names, Random(seed), 60.0 * asked.minutes, bag)
    except (BackproofError, OSError) as error:
        print(f"hunting: {error}", file=sys.stderr)
        return 2
    return 1 if bag.broken else 0


def _hunted(names: Sequence[str], random: Random, seconds: float, bag: Bag) -> None:
    try:
        hunt(names, random, seconds, bag)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    nearer = bag.nearer()
    store(nearer)
    for (name, group), find in sorted(bag.best.items()):
        record = f"the list had {bag.records[name, group]:.3g}" if name != WORST else ""
        print(f"nearest: {find}  {record}{', stored' * (find in nearer)}".rstrip())
    for find in bag.broken:
        print(f"BROKEN: {find}: {token_of(find.case)}, stored in {corpora.FOLDER}")
    if bag.broken:
        print("commit the corpus first, then repair the bound with its derivation")


if __name__ == "__main__":
    sys.exit(main())
