"""Which layers are right given their own wrong delta, as a teacher marks an exam by hand.

Judged from dW, db and the weights alone, on one instance. Then dW_l = outer(O_{l-1}, delta_l) and
db_l = delta_l, so the program shows its own delta_l twice: db_l as it stands, and in dW_l the row
that O_{l-1} is multiplied by, where dW_l has that form at all. From the output down:

    delta_L     is it the exact one?
    delta_l     is it (delta_{l+1} @ W_{l+1}.T) * g'_l(Z_l), with the program's own delta_{l+1}?
    dW_l, db_l  are they outer(O_{l-1}, delta_l) and delta_l, with the program's own delta_l?

Its own delta_l is whichever of the two showings is the right one; if neither is, what dW_l shows,
and db_l where dW_l shows none. O, g' and delta_L are those of the exact pass, so a mistake on the
way forward shows too. Equal means to `CLOSE` of an array's norm, what `check` calls `close`.
"""

from collections.abc import Iterator

import numpy as np

from backproof.case import Case
from backproof.conventions import Factor
from backproof.drawing import Array as AnyArray
from backproof.grades import LayerMarks, NetMarks
from backproof.gradients import Failure, Gradients, Vector
from property_tests.campaign import case_line
from property_tests.derived import per_layer, rows_of, seen_by
from property_tests.exact_layers import Array, exact_layers
from property_tests.nets import Nets
from property_tests.trying import CLOSE

_FIRST_SEED, _NETS = 100, 5  # with two hidden layers that take turns, ten activations are met


def nets_to_mark(nets: Nets) -> Iterator[Case]:
    """Single instances through three layers where claimed, every hidden activation in turn."""
    depth = max(nets.depths, key=lambda depth: (min(depth, 3), -depth), default=1)
    for seed in range(_FIRST_SEED, _FIRST_SEED + 2 * _NETS, 2):
        case = nets.net(seed, depth=depth, n=1)
        if case is not None:
            yield case


def one_instance(case: Case) -> Case:
    """The first row of a case, alone."""
    return case if case.n == 1 else rows_of(case, [0])


def marked(
    case: Case, answer: Gradients | Failure, factor: Factor, of: str = ""
) -> NetMarks | None:
    """The marks of one net; None without an answer in numbers.

    case: of one instance   factor: what the answer is multiplied by   of: the check it comes from
    """
    if isinstance(answer, Failure):
        return None
    vector = _derivative(case, answer) / float(factor.of(case))
    if not np.isfinite(vector).all():
        return None
    return NetMarks(case_line(0, case), of, tuple(_layers(seen_by(case, answer), vector)))


def _derivative(case: Case, answer: Gradients) -> Vector:
    if answer.gradient is not None:
        return answer.gradient
    assert answer.step is not None
    return answer.step / -case.alpha


def _layers(case: Case, vector: Vector) -> Iterator[LayerMarks]:
    tolerance = CLOSE[case.dtype]
    dWs, dbs = per_layer(case, vector)
    exact = exact_layers(case)
    wanted = exact.delta
    for l in reversed(range(case.depth)):
        O, dW, db = exact.O_below[l], _double(dWs[l]), dbs[l]
        db = None if db is None else _double(db)
        if not (np.any(O) and np.any(wanted)):  # every unit is off: nothing could go wrong here
            yield LayerMarks(l + 1, "-", "-", "-")
            continue
        own = _own_delta(dW, db, O, wanted, tolerance)
        yield LayerMarks(
            l + 1,
            _word(_near(own, wanted, tolerance)),
            _word(_near(dW, np.outer(O, own), tolerance)),
            "-" if db is None else _word(_near(db, own, tolerance)),
        )
        if l:
            W = np.asarray(case.arrays.weights[l], dtype=np.float64)
            wanted = (W @ own) * exact.slopes[l - 1]


def _double(array: AnyArray) -> Array:
    return np.asarray(array, dtype=np.float64)


def _own_delta(dW: Array, db: Array | None, O: Array, wanted: Array, tolerance: float) -> Array:
    """What the program took delta_l to be."""
    from_W = O @ dW / (O @ O)
    in_form = _near(dW, np.outer(O, from_W), tolerance)
    shown = [from_W] if in_form else []
    if db is not None:
        shown.append(db)
    right = next((each for each in shown if _near(each, wanted, tolerance)), None)
    if right is not None:
        return right
    # A dW of zeros has the form as well: it shows no delta that db does not show better.
    return next((each for each in (*shown, from_W) if np.any(each)), from_W)


def _near(a: Array, b: Array, tolerance: float) -> bool:
    return bool(np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b))


def _word(right: bool) -> str:
    return "right" if right else "wrong"
