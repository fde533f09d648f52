"""The networks on which the textbook stands trial, and two ways to compare what came out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference_impl as ri

Array = NDArray[Any]
Net = tuple[list[Array], list[Any], Array, Array]
HIDDEN = [name for name in ri.ACTIVATIONS if name != "softmax"]


def net(widths: Sequence[int], *, n: int = 3, dtype: Any = np.float64, seed: int = 5) -> Net:
    """Weights, biases, X, and labels whose rows are probabilities."""
    rng = np.random.default_rng(seed)
    weights, biases = ri.initial_weights(widths, rng)
    X = rng.normal(size=(n, widths[0]))
    Y = rng.dirichlet(np.ones(widths[-1] + 1), n)[:, :-1]
    Y = Y / Y.sum(axis=1, keepdims=True) if widths[-1] > 1 else Y
    return (
        [W.astype(dtype) for W in weights],
        [rng.normal(size=b.shape).astype(dtype) for b in biases],
        X.astype(dtype),
        Y.astype(dtype),
    )


def assert_same(ours: Sequence[Array | None], theirs: Sequence[Array | None]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def assert_near(ours: Sequence[Array | None], theirs: Sequence[Array | None], tol: float) -> None:
    """Each array within `tol` of the largest element of all, the unit in which they were added."""
    assert len(ours) == len(theirs)
    largest = max(np.abs(b).max() for b in theirs if b is not None)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.shape == b.shape
            assert np.abs(a - b).max() <= tol * largest
