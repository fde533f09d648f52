"""What is refused before anything is computed: which argument, what it is, what to do."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .activations import ACTIVATIONS
from .losses import LOSSES


def one_of(argument: str, name: Any, known: Iterable[str]) -> None:
    if name not in list(known):
        raise ValueError(f"`{argument}` is {name!r}; give one of {', '.join(known)}.")


# fmt: off
def check_names(activations: Any, loss: Any) -> None:
    """The names are known, and the loss goes with the output layer."""
    for l, name in enumerate(activations):
        if name == "step":
            raise ValueError(f"`activations[{l}]` is 'step', which is not differentiable: its "
                             "slope is 0 or none, so no loss can be passed down; use 'sigmoid'.")
        one_of(f"activations[{l}]", name, ACTIVATIONS)
        if name == "softmax" and l < len(activations) - 1:
            raise ValueError(f"`activations[{l}]` is 'softmax'; use it in the output layer only.")
    one_of("loss", loss, LOSSES)
    last, wants = activations[-1], LOSSES[loss].wants
    if wants not in (None, last):
        raise ValueError(f"`activations` ends in {last!r}; `loss` {loss!r} needs {wants!r} there.")


def check_lists(weights: Any, biases: Any, activations: Any, bias: str) -> None:
    """One entry per layer, and biases as `bias` says."""
    for name, given in ("weights", weights), ("biases", biases), ("activations", activations):
        if not isinstance(given, list | tuple):
            raise TypeError(f"`{name}` is a {type(given).__name__}; give a list, one per layer.")
        if len(given) != len(weights) or not given:
            raise ValueError(f"`{name}` has {len(given)} entries, `weights` has {len(weights)}; "
                             "give one for each layer, and one layer at least.")
    none, layers = sum(b is None for b in biases), len(biases)
    if not {"none": none == layers, "augmented": none == 0, "separate": none < layers}[bias]:
        raise ValueError(f"`biases` has {none} None for {layers} layers, but `bias` is {bias!r}: "
                         "give 'none' only None, 'augmented' no None, 'separate' some array.")


def check_arrays(weights: Any, biases: Any, X: Any, Y: Any) -> None:
    """Floats of one dtype, in shapes that fit one another."""
    check_array("X", X, ("n", "k_0"), X)
    width = X.shape[1]
    for l, (W, b) in enumerate(zip(weights, biases, strict=True)):
        check_array(f"weights[{l}]", W, (width, f"k_{l + 1}"), X)
        width = W.shape[1]
        if b is not None:
            check_array(f"biases[{l}]", b, (width,), X)
    check_array("Y", Y, (len(X), width), X)


def check_array(name: str, a: Any, shape: tuple[Any, ...], X: Any) -> None:
    """In `shape` a number must be met, a letter stands for any number but 0."""
    if type(a) is not np.ndarray:
        raise TypeError(f"`{name}` is a {type(a).__name__}; give a NumPy array of floats.")
    if a.dtype not in (np.float64, np.float32):
        raise TypeError(f"`{name}` holds {a.dtype}; give floats (float64 or float32).")
    if a.dtype != X.dtype:
        raise TypeError(f"`{name}` is {a.dtype} and `X` is {X.dtype}; give all the same dtype.")
    if a.ndim != len(shape) or any(k not in (m, str(k)) for k, m in zip(shape, a.shape)):  # noqa: B905
        wanted = str(shape).replace("'", "")
        raise ValueError(f"`{name}` has the shape {a.shape}; give it the shape {wanted}.")
    if a.size == 0:
        raise ValueError(f"`{name}` is empty, shape {a.shape}; give one row and column at least.")
    if not np.isfinite(a).all():
        raise ValueError(f"`{name}` holds {a[~np.isfinite(a)][0]!s}; give finite numbers.")
    subnormal = a[(np.abs(a) < np.finfo(a.dtype).smallest_normal) & (a != 0)]
    if subnormal.size:
        raise ValueError(f"`{name}` holds the subnormal number {subnormal[0]!s}, which frameworks "
                         "may take for 0; give 0 or a larger one.")


def check_alpha_and_slope(alpha: Any, slope: Any, dtype: Any) -> None:
    """alpha must be positive and finite in the dtype of the arrays, too."""
    number, largest = int | float | np.floating, float(np.finfo(dtype).max)
    if not (isinstance(alpha, number) and 0 < alpha <= largest and dtype.type(alpha) > 0):
        raise ValueError(f"`alpha` is {alpha!r}; give a positive, finite number ({dtype}).")
    if not (isinstance(slope, number) and 0 <= slope <= 1):
        raise ValueError(f"`slope` is {slope!r}; give a number from 0 to 1.")
