"""What the arrays of one wrong answer say of the mistake, for whoever reads the message.

Everything is read off the norms, from the output down: what is wrong above spoils what is below.
"""

from collections.abc import Sequence
from math import isclose

from backproof.case import Case
from backproof.records import PairRecord, ParameterRecord
from backproof.sentences import SHOWN
from property_tests.trying import CLOSE


def first_wrong(pair: PairRecord, dtype: str) -> ParameterRecord | None:
    """The array where the mistake starts: of the layer nearest to the output that is off by more
    than `CLOSE`, the one that lies farthest out; without one, the worst there is."""
    off = [record for record in pair.parameters if is_off(record, dtype)]
    top = max((record.layer for record in off), default=0)
    here = [record for record in off if record.layer == top]
    return max(here, key=lambda record: record.error_in_bounds, default=pair.worst)


def is_off(record: ParameterRecord, dtype: str) -> bool:
    """Whether an array is off by more than `CLOSE`, in norm; NaN is."""
    return not record.norm_difference <= CLOSE[dtype] * record.norm_b


def hint(pair: PairRecord, case: Case) -> str:
    """What the arrays have in common, or ""."""
    dtype, moves = case.dtype, any(r.parameter.startswith("step") for r in pair.parameters)
    factors = multiples(pair, dtype)
    if factors:
        # A step may be a multiple for being made twice; a gradient is for delta.
        why = _no_step(pair, case.alpha) if moves else _handed_down(pair, case)
        return "; ".join(filter(None, (factors, why)))
    return zeros(pair) or _product(pair, dtype) or _handed_down(pair, case)


def zeros(pair: PairRecord) -> str:
    """Which arrays are 0 throughout where they should not be; "" if none is."""
    still = [record for record in pair.parameters if record.norm_b and not record.norm_a]
    if not still:
        return ""
    moves = still[0].parameter.startswith("step")
    if len(still) == len(pair.parameters):
        lost = "is the new W kept under another name, and never put back?"
        return f"nothing moves: {lost}" if moves else "every array is 0 throughout"
    it, then = "it" if len(still) == 1 else "they", "added" if moves else "returned"
    is_it = f"{'is' if len(still) == 1 else 'are'} {it}"
    return f"{_named(still)} 0 throughout: {is_it} ever computed, and {then}?"


def multiples(pair: PairRecord, dtype: str) -> str:
    """Each array right but for a factor of its own."""
    if any(not _is_multiple(record, dtype) for record in pair.parameters):
        return ""
    groups: dict[str, list[ParameterRecord]] = {}
    for record in pair.parameters:
        groups.setdefault(f"{_ratio(record):.4g}", []).append(record)
    right = groups.pop("1", [])
    if not groups:
        return ""
    told = [
        f"{_named(own)} {ratio} times what {'it' if len(own) == 1 else 'they'} should be"
        for ratio, own in groups.items()
    ]
    others = ", the others are right" if right else ""
    return f"{'; '.join(told)}{others}"


def _is_multiple(record: ParameterRecord, dtype: str) -> bool:
    return bool(record.norm_a and record.norm_b) and 1 - abs(record.cosine) <= CLOSE[dtype] ** 2


def _no_step(pair: PairRecord, alpha: float) -> str:
    """Of steps that are all one multiple: what was left out of -alpha dW; "" for others."""
    ratios = [_ratio(record) for record in pair.parameters]
    told = {
        -1.0: "it moves up the loss: is it multiplied by alpha, and not by -alpha?",
        1 / alpha: "it is not multiplied by alpha",
        -1 / alpha: "it is not multiplied by -alpha: is it the gradient?",
    }
    alike = (said for c, said in told.items() if all(isclose(r, c, rel_tol=1e-4) for r in ratios))
    return next(alike, "")


def _ratio(record: ParameterRecord) -> float:
    return record.norm_a / record.norm_b * (1 if record.cosine > 0 else -1)


def _handed_down(pair: PairRecord, case: Case) -> str:
    """All of a layer wrong, and nothing above: O_l and delta_{l+1} are right there."""
    top = first_wrong(pair, case.dtype)
    if top is None or top.layer == case.depth or case.activations[top.layer - 1] == "softmax":
        return ""
    l, up = top.layer, top.layer + 1
    if not all(is_off(record, case.dtype) for record in pair.parameters if record.layer == l):
        return ""
    down = f"delta_{up} @ W_{up}.T"
    plain = case.activations[l - 1] == "identity"
    made = f"{down}, where g' is 1" if plain else f"({down}) * g'(Z_{l})"
    return f"delta_{up} is right: is delta_{l} = {made}?"


def _product(pair: PairRecord, dtype: str) -> str:
    """db is delta itself: where it is right and dW is not, the other factor of dW is wrong."""
    top = first_wrong(pair, dtype)
    if top is None or not is_off(top, dtype) or not top.parameter.endswith("W"):
        return ""
    beside = [r for r in pair.parameters if r.layer == top.layer and r.parameter.endswith("b")]
    if not beside or is_off(beside[0], dtype):
        return ""
    l, O = top.layer, "X" if top.layer == 1 else f"O_{top.layer - 1}"
    changed = "" if l == 1 else f"; has {O} been changed since the forward pass?"
    W, b = SHOWN[top.parameter], SHOWN[beside[0].parameter]
    return (
        f"{b}_{l} is right, so delta_{l} is, but {W}_{l} is not made of {O} and delta_{l}{changed}"
    )


def _named(records: Sequence[ParameterRecord]) -> str:
    names = [f"{SHOWN[record.parameter]}_{record.layer}" for record in records]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
