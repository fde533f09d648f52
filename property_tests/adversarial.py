"""Cases made to break the bound: each trait is one that once did, or that a derivation feared.

Arithmetic here is elementwise and in a fixed order (no BLAS, no libm), so the same index gives the
same bytes on every machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof import names
from backproof.case import Case
from backproof.drawing import Array
from property_tests.derived import with_arrays
from property_tests.space import EVERYTHING, Claims, sampled_case

_FLOAT64 = ("float64",)
_BIASED = ("separate", "augmented")
_BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
_CLASSES = ("cross_entropy", "cross_entropy_with_logits")
_KINKED = ("relu", "leaky_relu")
_SOFTMAX_LOSSES = ("half_squared_error", "mean_squared_error", *_CLASSES)


def _positive_W(case: Case) -> Case:
    """Nothing cancels on the way up, and everything may on the way down."""
    return with_arrays(case, weights=[np.abs(W) for W in case.arrays.weights])


def _W_times_100(case: Case) -> Case:
    return with_arrays(case, weights=_scaled(case.arrays.weights, 100.0))


def _X_1e_150(case: Case) -> Case:
    return with_arrays(case, X=_normal(case.arrays.X * 1e-150))


def _X_zero(case: Case) -> Case:
    return with_arrays(case, X=np.zeros_like(case.arrays.X))


def _underflow(case: Case) -> Case:
    """Every product of X and W_1 is 2**-1060 of what it was: a subnormal, or flushed to zero."""
    first, *rest = case.arrays.weights
    tiny = 2.0**-530
    return with_arrays(
        case, weights=[_normal(first * tiny), *rest], X=_normal(case.arrays.X * tiny)
    )


def _batch_128(case: Case) -> Case:
    return replace(case, n=names.MAX_BATCH)


def _logits_near_30(case: Case) -> Case:
    """Probabilities near 1e-13 and 1 - 1e-13: the last layer's Z are +-30 and a little."""
    *weights, last = case.arrays.weights
    *biases, b = case.arrays.biases
    assert b is not None
    signs = np.where(np.arange(len(b)) % 2 == 0, 1, -1)
    return with_arrays(
        case, weights=[*weights, last * 2.0**-4], biases=[*biases, (30 * signs).astype(b.dtype)]
    )


def _softmax_30(case: Case) -> Case:
    *weights, last = case.arrays.weights
    return with_arrays(case, weights=[*weights, *_scaled([last], 30.0)])


def _alpha_1e_6(case: Case) -> Case:
    """after - before: what rounding leaves of a step that is small beside its weight."""
    return replace(with_arrays(case), alpha=1e-6)


def _on_the_kink(case: Case) -> Case:
    """b_1 takes the first row's X W_1 back: z is zero up to what its sum rounds."""
    first, *rest = case.arrays.biases
    assert first is not None
    total = _product(case.arrays.X[:1], case.arrays.weights[0])[0]
    return with_arrays(case, biases=[_normal(-total), *rest])


def _zero_residual(case: Case) -> Case:
    """Labels that the network meets up to rounding: the gradient is rounding and nothing else."""
    Y, b = _product(case.arrays.X, case.arrays.weights[0]), case.arrays.biases[0]
    return with_arrays(case, Y=_normal(Y if b is None else Y + b))


def _cancelling(case: Case) -> Case:
    """Units in pairs, the second the negative weight of the first: their sum is exactly zero."""
    first, second, *rest = (W.copy() for W in case.arrays.weights)
    pairs = first.shape[1] // 2 * 2
    first[:, 1:pairs:2] = first[:, 0:pairs:2]
    second[1:pairs:2] = -second[0:pairs:2]
    b, *others = case.arrays.biases
    assert b is not None
    paired = b.copy()
    paired[1:pairs:2] = paired[0:pairs:2]
    return with_arrays(case, weights=[first, second, *rest], biases=[paired, *others])


def _scaled(arrays: Sequence[Array], factor: float) -> list[Array]:
    return [_normal(array * array.dtype.type(factor)) for array in arrays]


def _normal(array: Array) -> Array:
    """A case has no subnormal numbers."""
    small = np.abs(array) < np.finfo(array.dtype).smallest_normal
    return np.where(small, array.dtype.type(0), array)


def _product(X: Array, W: Array) -> Array:
    """X @ W, summed in one fixed order."""
    total = X[:, :1] * W[0]
    for k in range(1, len(W)):
        total = total + X[:, k : k + 1] * W[k]
    return total


@dataclass(frozen=True)
class Trait:
    """claims, size: which case is drawn   twist: what is then done to it"""

    claims: Claims = EVERYTHING
    twist: Callable[[Case], Case] = lambda case: case
    size: str | None = "standard"


TRAITS = {
    "positive W": Trait(twist=_positive_W),
    "W x 100": Trait(twist=_W_times_100),
    "X 1e-150": Trait(Claims(dtypes=_FLOAT64), _X_1e_150),
    "X zero": Trait(twist=_X_zero),
    "zeros": Trait(Claims(regimes=("zeros",))),
    "duplicate rows": Trait(Claims(regimes=("duplicated",))),
    "small integers": Trait(Claims(regimes=("integers", "fractions"), hidden=_KINKED)),
    "batch 128": Trait(twist=_batch_128),
    "underflow": Trait(Claims(dtypes=_FLOAT64), _underflow),
    "BCE at |z| = 30": Trait(Claims(losses=_BINARY, biases=_BIASED), _logits_near_30),
    "softmax, W x 30": Trait(
        Claims(
            losses=_SOFTMAX_LOSSES,
            combinations=(
                *(("softmax", loss) for loss in _SOFTMAX_LOSSES[:3]),
                ("identity", "cross_entropy_with_logits"),
            ),
        ),
        _softmax_30,
    ),
    "alpha 1e-6": Trait(twist=_alpha_1e_6),
    "alpha 2**10": Trait(Claims(alphas=(2.0**10,))),
    "on the kink": Trait(
        Claims(hidden=_KINKED, biases=_BIASED, depths=(2, 3, 4, 5), regimes=("normal", "tiny")),
        _on_the_kink,
    ),
    "zero residual": Trait(
        Claims(
            activations=("identity",),
            losses=("half_squared_error", "mean_squared_error"),
            depths=(1,),
        ),
        _zero_residual,
    ),
    "cancelling": Trait(Claims(biases=_BIASED, depths=(2, 3, 4, 5)), _cancelling),
    "saturated": Trait(Claims(regimes=("saturated",))),
    "deep and wide": Trait(Claims(depths=(7, 8)), size="wide"),
}  # fmt: skip


def adversarial_case(seed: int, index: int) -> Case:
    """Traits in turn: number `index` of the list has trait index % len(TRAITS)."""
    trait = list(TRAITS.values())[index % len(TRAITS)]
    return trait.twist(sampled_case(seed, index, size=trait.size, claims=trait.claims))
