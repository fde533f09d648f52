"""A difference between two numbers as a learner reads it."""

import math

from backproof.records import CaseLine, PairRecord, ParameterRecord

SHOWN = {"dW": "dW", "db": "db", "step_W": "ΔW", "step_b": "Δb"}


def place(worst: ParameterRecord) -> str:
    """ "dW_2[1, 0]", in the article's letters; layers count from 1."""
    return f"{SHOWN[worst.parameter]}_{worst.layer}[{', '.join(map(str, worst.index))}]"


def sentence(pair: PairRecord) -> str:
    """Who, which derivative, where, the numbers, by whom."""
    worst = pair.worst
    if worst is None:
        return f"{pair.failed} gave no answer: {pair.failure}"
    return (
        f"{pair.a}: {place(worst)} = {worst.value_a!r}, but {pair.b} says {worst.value_b!r} "
        f"(layer {worst.layer}, {beyond(worst)})"
    )


def beyond(worst: ParameterRecord) -> str:
    """How far two values lie apart; the bound is 0 in a case in which no operation rounds."""
    if not math.isfinite(worst.value_a - worst.value_b):
        return "no number"
    if worst.bound == 0.0:
        return "where nothing rounds"
    return f"{worst.error_in_bounds:.3g} times the bound"


def shape_of(case: CaseLine) -> str:
    """The case in a few words: widths, activations, loss, rows, dtype."""
    widths = "-".join(map(str, case.widths))
    return f"{widths}, {'/'.join(case.activations)}, {case.loss}, n = {case.n}, {case.dtype}"
