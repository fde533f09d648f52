"""From the sides' answers to records: every pair of sides held together, case by case."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backproof.case import Case
from backproof.gradients import Failure, Gradients, Side, Slot, slots_of
from backproof.names import VERDICTS
from backproof.records import PairRecord, ParameterRecord
from oracles import verdict
from oracles.bound import Bound, bounds_of
from oracles.verdict import Comparison, Opinion

Answer = Gradients | Failure
Pair = tuple[str, str]
ERROR, SKIPPED = "error", "skipped"
_WORST_FIRST = (ERROR, "wrong", "inconclusive", "kink", "agree", "uninformative", SKIPPED)


@dataclass(frozen=True)
class NoAnswer:
    """A failure with the name of the side whose it is."""

    side: str
    is_oracle: bool
    failure: Failure


# Per quantity ("gradient", "step"), or whose silence it was.
Opinions = dict[str, Opinion] | NoAnswer
Comparisons = dict[str, Comparison] | NoAnswer


@dataclass(frozen=True)
class Seat:
    """A side in the courtroom.

    family: which right formulas its rounding is bounded for (`oracles.bound`)
    is_oracle: a witness; the others decide what lies outside a finite difference's bar
    """

    side: Side
    family: str
    is_oracle: bool

    @property
    def name(self) -> str:
        return self.side.name

    def promises(self, case: Case) -> bool:
        """Whether this side will answer the case: all do, but an oracle may judge a share only.

        An oracle that does has `judges(case)`, which depends on nothing but the case. The accused
        has no such choice.
        """
        judges = getattr(self.side, "judges", None) if self.is_oracle else None
        return judges is None or bool(judges(case))


def pairs_of(seats: Sequence[Seat]) -> tuple[Pair, ...]:
    """Everybody with everybody, the subject's pairs first.

    Raises ValueError for two sides of one name: one of them would be compared with itself.
    """
    if len({seat.name for seat in seats}) < len(seats):
        raise ValueError(f"`seats` has a name twice: {[seat.name for seat in seats]}")
    return tuple((a.name, b.name) for a, b in itertools.combinations(seats, 2))


def promised_pairs(case: Case, seats: Sequence[Seat]) -> tuple[Pair, ...]:
    """The comparisons that must be made in this case: of all pairs, those whose sides judge it."""
    return pairs_of([seat for seat in seats if seat.promises(case)])


def judge(
    cases: Sequence[Case], seats: Sequence[Seat], *, details: bool = False
) -> list[tuple[PairRecord, ...]]:
    """All promised comparisons of a block of cases, one tuple of records per case, in order.

    With `details` every record carries every layer and parameter, otherwise only those that do
    not agree.
    """
    answers = {seat.name: seat.side.gradients_of(cases) for seat in seats}
    return judge_answers(cases, seats, answers, details=details)


def judge_answers(
    cases: Sequence[Case],
    seats: Sequence[Seat],
    answers: dict[str, list[Answer]],
    *,
    details: bool = False,
) -> list[tuple[PairRecord, ...]]:
    """The same for answers that were given already, per side and case."""
    bounds = {family: bounds_of(cases, family) for family in {seat.family for seat in seats}}
    return [
        _judge_case(
            case,
            seats,
            {name: given[i] for name, given in answers.items()},
            {family: given[i] for family, given in bounds.items()},
            details,
        )
        for i, case in enumerate(cases)
    ]


def _judge_case(
    case: Case,
    seats: Sequence[Seat],
    answers: dict[str, Answer],
    bounds: dict[str, Bound],
    details: bool,
) -> tuple[PairRecord, ...]:
    opinions: dict[str, Opinions] = {}
    for seat in seats:
        answer, bound = answers[seat.name], bounds[seat.family]
        opinions[seat.name] = (
            NoAnswer(seat.name, seat.is_oracle, answer)
            if isinstance(answer, Failure)
            else verdict.opinions_of(case, answer, seat.side.step_form, bound)
        )
    witness = next(iter(bounds.values())).witness
    comparisons = {
        pair: _compare_pair(case, opinions[pair[0]], opinions[pair[1]], witness)
        for pair in promised_pairs(case, seats)
    }
    settled = {pair: _settle(pair, comparisons, seats) for pair in comparisons}
    return tuple(record_of(case, pair, settled[pair], details) for pair in settled)


def _compare_pair(
    case: Case,
    a: Opinions,
    b: Opinions,
    witness: np.ndarray,
) -> Comparisons:
    if isinstance(a, NoAnswer):
        return a
    if isinstance(b, NoAnswer):
        return b
    return {
        quantity: verdict.compare(case, quantity, a[quantity], b[quantity], witness)
        for quantity in verdict.QUANTITIES
        if quantity in a and quantity in b
    }


def _settle(pair: Pair, comparisons: dict[Pair, Comparisons], seats: Sequence[Seat]) -> Comparisons:
    """Outside a finite difference's bar the other oracles decide, element by element."""
    own = comparisons[pair]
    if isinstance(own, NoAnswer):
        return own
    return {
        quantity: verdict.settle(comparison, _others(pair, quantity, comparisons, seats))
        for quantity, comparison in own.items()
    }


def _others(
    pair: Pair,
    quantity: str,
    comparisons: dict[Pair, Comparisons],
    seats: Sequence[Seat],
) -> list[Comparison]:
    """What each other oracle said of the side that a finite difference was held against."""
    oracles = {seat.name for seat in seats if seat.is_oracle}
    others = []
    for other, found in comparisons.items():
        shared = set(pair) & set(other)
        witness = set(other) - set(pair)
        if len(shared) != 1 or not witness <= oracles or isinstance(found, NoAnswer):
            continue
        comparison = found.get(quantity)
        if comparison is not None and not comparison.estimate:
            others.append(comparison)
    return others


def record_of(case: Case, pair: Pair, found: Comparisons, details: bool) -> PairRecord:
    if isinstance(found, NoAnswer):
        status, message = found.failure.status, found.failure.message
        # The accused may not claim a case; a witness that leaves out what it promised has failed.
        word = SKIPPED if status == SKIPPED and not found.is_oracle else ERROR
        text = message if status == word else f"{status}: {message}"
        return PairRecord(*pair, word, None, {}, failure=text, failed=found.side)
    places = [(quantity, slot) for quantity in found for slot in reversed(slots_of(case))]
    counts: dict[str, int] = {}
    for comparison in found.values():
        for word, number in _counts(comparison, slice(None)).items():
            counts[word] = counts.get(word, 0) + number
    word = _worst_word(counts)
    worst = max(places, key=lambda place: _rank(place[0], found[place[0]], place[1]))
    keep = details or word not in ("agree", "uninformative")
    return PairRecord(
        *pair,
        verdict=word,
        worst=_parameter(case, found[worst[0]], *worst),
        counts=counts,
        parameters=tuple(
            _parameter(case, found[quantity], quantity, slot)
            for quantity in found
            for slot in slots_of(case)
        )
        if keep
        else (),
    )


def _rank(quantity: str, comparison: Comparison, slot: Slot) -> tuple[bool, int, bool, float]:
    """What to name first: a wrong array before a right one; then the layer nearest to the output,
    for a mistake there spoils every layer below; then a gradient before the step made of it, whose
    after-minus-before always comes near its bound; then the largest error."""
    part = slice(slot.start, slot.stop)
    wrong = bool((comparison.codes[part] == verdict.WRONG).any())
    worst = np.nanmax(comparison.errors[part], initial=-1.0)
    return wrong, slot.layer if wrong else 0, quantity == "gradient", float(worst)


def _parameter(case: Case, comparison: Comparison, quantity: str, slot: Slot) -> ParameterRecord:
    part = slice(slot.start, slot.stop)
    a, b = comparison.a[part], comparison.b[part]
    errors, ulps = comparison.errors[part], comparison.ulps[part]
    at = _worst_element(errors, comparison.codes[part])
    counts = _counts(comparison, part)
    with np.errstate(all="ignore"):
        norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        cosine = float(a @ b) / (norm_a * norm_b) if norm_a and norm_b else float("nan")
        norm_difference = float(np.linalg.norm(a - b))
    prefix = "d" if quantity == "gradient" else "step_"
    return ParameterRecord(
        parameter=prefix + slot.letter,
        layer=slot.layer,
        index=tuple(int(i) for i in np.unravel_index(at, slot.shape)),
        value_a=float(a[at]),
        value_b=float(b[at]),
        bound=float(comparison.bound[part][at]),
        error_in_bounds=float(errors[at]),
        error_ulp=float(np.nanmax(ulps, initial=0.0)),
        norm_a=norm_a,
        norm_b=norm_b,
        norm_difference=norm_difference,
        cosine=cosine,
        counts=counts,
        verdict=_worst_word(counts),
    )


def _worst_element(errors: np.ndarray, codes: np.ndarray) -> int:
    wrong = codes == verdict.WRONG
    shown = np.where(wrong, errors, -1.0) if wrong.any() else np.nan_to_num(errors, nan=-1.0)
    return int(np.argmax(shown))


def _counts(comparison: Comparison, part: slice) -> dict[str, int]:
    codes = comparison.codes[part]
    tally = np.bincount(codes + 1, minlength=len(VERDICTS) + 1)
    counts = {word: int(tally[code + 1]) for code, word in enumerate(VERDICTS)}
    counts["unchecked"] = int(tally[0])
    counts["fd_bar_exceeded"] = int(comparison.cleared[part].sum())
    return counts


def _worst_word(counts: dict[str, int]) -> str:
    """The verdict of many elements. A hollow element spoils nothing while another one agrees."""
    return next((word for word in _WORST_FIRST if counts.get(word)), "uninformative")


def worst_verdict(records: Sequence[PairRecord]) -> str:
    """The worst word among some pairs; "error" is worse than any."""
    said = {record.verdict for record in records}
    return next((word for word in _WORST_FIRST if word in said), "uninformative")
