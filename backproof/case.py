"""A case: one network, one batch, one loss; everything a side needs to answer with a gradient.

A case is a frozen record of scalars. Its arrays follow from them (`drawing.py`), so a short token
(`tokens.py`) is the whole case. A case with given arrays (real data, somebody's own weights)
carries them along and is named by their SHA-256 (`casefiles.py`).
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backproof import drawing
from backproof.drawing import Array
from backproof.errors import CaseError
from backproof.names import (
    ACTIVATIONS,
    BIASES,
    DTYPES,
    LOSSES,
    MAX_BATCH,
    MAX_DEPTH,
    MAX_WIDTH,
    OUTPUT_ACTIVATION,
    REDUCTIONS,
    REGIMES,
    SCALES,
)


@dataclass(frozen=True, eq=False)
class Arrays:
    """The numbers of a case, read-only and of one dtype.

    weights[l]: (k_l, k_{l+1})   biases[l]: (k_{l+1},) or None   X: (n, k_0)   Y: (n, k_L)
    """

    weights: tuple[Array, ...]
    biases: tuple[Array | None, ...]
    X: Array
    Y: Array


@dataclass(frozen=True)
class Case:
    """One question: what is ΔW here?

    widths: (k_0, ..., k_L)   activations: one per layer, L of them   n: rows of the batch
    loss, reduction ("sum" or "mean" over the rows), bias ("separate", "augmented", "none")
    alpha: learning rate, ΔW = -alpha * dW   slope: of leaky_relu
    regime: which numbers   scale: weights are multiplied by 2**scale   seed: 0 .. 2**32 - 1
    given: the arrays themselves where they were not drawn

    Raises CaseError where no such network exists; the message names the field.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str = "half_squared_error"
    reduction: str = "sum"
    bias: str = "separate"
    n: int = 1
    alpha: float = 1.0
    regime: str = "normal"
    scale: int = 0
    dtype: str = "float64"
    seed: int = 0
    slope: float = 1 / 64
    given: Arrays | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_network(self)
        _check_names(self)
        _check_numbers(self)
        if self.given is not None:
            _check_given(self, self.given)
        elif self.regime == "real":
            raise CaseError("`regime` 'real' was got without arrays; give them, or draw another.")

    @property
    def depth(self) -> int:
        """L, the number of weight matrices."""
        return len(self.activations)

    @property
    def size(self) -> str:
        """ "standard" (the size all targets refer to), "wide", or "real" for given arrays."""
        if self.given is not None:
            return "real"
        standard = self.depth <= 5 and max(self.widths) <= 8 and self.n <= 8
        return "standard" if standard else "wide"

    @cached_property
    def arrays(self) -> Arrays:
        """W, b, X and Y of this case, read-only, in its dtype."""
        return self.given if self.given is not None else _drawn(self)


def _check_network(case: Case) -> None:
    _tuples(case, "widths", "activations")  # a list would make the case unhashable
    widths, depth = case.widths, len(case.activations)
    if not 1 <= depth <= MAX_DEPTH:
        raise CaseError(f"`activations` has {depth} layers; use 1 to {MAX_DEPTH}.")
    if len(widths) != depth + 1:
        raise CaseError(
            f"`widths` has {len(widths)} numbers for {depth} layers; "
            f"give {depth + 1}, the input's first."
        )
    if not all(_whole(k, 1, MAX_WIDTH) for k in widths):
        raise CaseError(f"`widths` is {widths}; use whole numbers from 1 to {MAX_WIDTH}.")
    if not _whole(case.n, 1, MAX_BATCH):
        raise CaseError(f"`n` is {case.n!r}; use a batch of 1 to {MAX_BATCH} rows.")


def _tuples(record: object, *arguments: str) -> None:
    for argument in arguments:
        value = getattr(record, argument)
        if not isinstance(value, tuple):
            raise CaseError(f"`{argument}` is a {type(value).__name__}; give a tuple.")


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_names(case: Case) -> None:
    for name in case.activations:
        _one_of("activations", name, ACTIVATIONS)
    _one_of("loss", case.loss, LOSSES)
    _one_of("reduction", case.reduction, REDUCTIONS)
    _one_of("bias", case.bias, BIASES)
    _one_of("regime", case.regime, REGIMES)
    _one_of("dtype", case.dtype, DTYPES)
    if "softmax" in case.activations[:-1]:
        raise CaseError("`activations` has softmax in a hidden layer; it may stand at the output.")
    wanted = OUTPUT_ACTIVATION.get(case.loss)
    if wanted is not None and case.activations[-1] != wanted:
        raise CaseError(
            f"`loss` {case.loss!r} needs the output activation {wanted!r}, "
            f"got {case.activations[-1]!r}."
        )


def _one_of(argument: str, name: object, names: tuple[str, ...]) -> None:
    if not isinstance(name, str) or name not in names:
        raise CaseError(f"`{argument}` has {name!r}; use one of {', '.join(names)}.")


def _check_numbers(case: Case) -> None:
    if not _whole(case.scale, SCALES[0], SCALES[-1]):
        raise CaseError(f"`scale` is {case.scale!r}; use {SCALES[0]} to {SCALES[-1]}.")
    if not _whole(case.seed, 0, 2**32 - 1):
        raise CaseError(f"`seed` is {case.seed!r}; use a whole number from 0 to 2**32 - 1.")
    limits = np.finfo(case.dtype)
    if not _between(case.alpha, float(limits.smallest_normal), float(limits.max)):
        raise CaseError(f"`alpha` is {case.alpha!r}; use a positive number that is a {case.dtype}.")
    if not _between(case.slope, 0, 1):
        # Outside [0, 1] the bound of leaky_relu at a kink is not derived.
        raise CaseError(f"`slope` is {case.slope!r}; use a slope from 0 to 1.")


def _between(value: object, low: float, high: float) -> bool:
    # False for a NaN as well.
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _check_given(case: Case, given: object) -> None:
    if not isinstance(given, Arrays):
        raise CaseError(f"`given` is a {type(given).__name__}; give `Arrays` or None.")
    _tuples(given, "weights", "biases")
    shapes = list(zip(case.widths, case.widths[1:], strict=False))
    _check_array("X", given.X, (case.n, case.widths[0]), case.dtype)
    _check_array("Y", given.Y, (case.n, case.widths[-1]), case.dtype)
    if len(given.weights) != case.depth or len(given.biases) != case.depth:
        raise CaseError(
            f"`weights` and `biases` have {len(given.weights)} and {len(given.biases)} arrays; "
            f"give {case.depth} each, one per layer."
        )
    for layer, (W, b, shape) in enumerate(zip(given.weights, given.biases, shapes, strict=True), 1):
        _check_array(f"weights[{layer - 1}]", W, shape, case.dtype)
        if (b is None) != (case.bias == "none"):
            raise CaseError(f"`biases[{layer - 1}]` does not fit `bias` {case.bias!r}.")
        if b is not None:
            _check_array(f"biases[{layer - 1}]", b, shape[1:], case.dtype)


def _check_array(name: str, array: object, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(array, np.ndarray):
        raise CaseError(f"`{name}` is a {type(array).__name__}; give a NumPy array.")
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise CaseError(
            f"`{name}` has shape {array.shape} and dtype {array.dtype}; give {shape} and {dtype}."
        )
    if not np.isfinite(array).all():
        raise CaseError(f"`{name}` has a NaN or an infinity; give finite numbers.")
    smallest = np.finfo(array.dtype).smallest_normal
    if ((array != 0) & (np.abs(array) < smallest)).any():
        # XLA flushes subnormals to zero, so the sides would not answer the same question.
        raise CaseError(
            f"`{name}` has a subnormal number (below {smallest:.3g}); "
            "set such entries to zero or rescale."
        )


# Streams of random bits: all of X, W_1, b_1, W_2, ..., Y come from one, labels that are classes
# from the other.
_VALUES, _LABELS = 0, 1


def _drawn(case: Case) -> Arrays:
    shapes: list[tuple[int, ...]] = [(case.n, case.widths[0])]
    for k, j in zip(case.widths, case.widths[1:], strict=False):
        shapes += [(k, j), (j,)]
    X, *parameters, Y = _values(case, [*shapes, (case.n, case.widths[-1])])
    X, Y = X * _FACTORS.get(case.regime, (1, 1, 1))[0], _labels(case, Y)
    if case.regime == "duplicated":
        # Each row stands there twice (with its label); an odd last row stands alone.
        X, Y = X[np.arange(case.n) // 2], Y[np.arange(case.n) // 2]
    weights = [_frozen(_weights(case, W), case.dtype) for W in parameters[0::2]]
    biases = [None if case.bias == "none" else _biases(case, b) for b in parameters[1::2]]
    return Arrays(tuple(weights), tuple(biases), _frozen(X, case.dtype), _frozen(Y, case.dtype))


def _frozen(array: Array, dtype: str) -> Array:
    array = np.ascontiguousarray(array, dtype=dtype)
    array.setflags(write=False)
    return array


def _values(case: Case, shapes: list[tuple[int, ...]]) -> list[Array]:
    """One array per shape, cut from one run of the case's own kind of number."""
    stops = np.cumsum([math.prod(shape) for shape in shapes])
    total = (int(stops[-1]),)
    if case.regime == "integers":
        run = drawing.integers(case.seed, _VALUES, total, -3, 3)
    elif case.regime == "fractions":
        run = drawing.integers(case.seed, _VALUES, total, -8, 8) / 4
    elif case.regime == "zeros":
        run = drawing.integers(case.seed, _VALUES, total, -1, 1)
    else:
        run = drawing.normals(case.seed, _VALUES, total)
    parts = np.split(run, stops[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


# Powers of two on X, W and b that make a regime what its name says.
_FACTORS = {
    "saturated": (4.0, 8.0, 1.0),
    "tiny": (2.0**-20, 2.0**-6, 2.0**-20),
}


def _weights(case: Case, W: Array) -> Array:
    W = W * 2.0**case.scale
    if case.regime in ("integers", "fractions", "zeros"):
        return W
    # About 1/sqrt(fan_in), but a power of two, keeps Z of order 1 at any width.
    return (
        W * 2.0 ** -((W.shape[0].bit_length() - 1) // 2) * _FACTORS.get(case.regime, (1, 1, 1))[1]
    )


def _biases(case: Case, b: Array) -> Array:
    if case.regime == "zeros":
        return _frozen(np.zeros_like(b), case.dtype)  # a dead unit then sits exactly on the kink
    return _frozen(b * _FACTORS.get(case.regime, (1, 1, 1))[2], case.dtype)


def _labels(case: Case, Y: Array) -> Array:
    """Real numbers for a squared error, 0/1 or one class per row for a cross-entropy."""
    soft = case.regime == "soft_labels"
    if case.loss.startswith("binary_cross_entropy"):
        most = 64 if soft else 1
        return drawing.integers(case.seed, _LABELS, Y.shape, 0, most) / most
    if case.loss.startswith("cross_entropy") or case.regime == "one_hot" or soft:
        votes = 4 if soft else 1
        # Each row spreads its votes over the classes: the shares are dyadic and sum to exactly 1.
        classes = drawing.integers(case.seed, _LABELS, (case.n, votes, 1), 0, Y.shape[1] - 1)
        return (classes == np.arange(Y.shape[1])).sum(axis=1) / votes
    return Y
