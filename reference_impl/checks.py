"""What is refused before anything is computed: which argument, what it is, what to do."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .activations import ACTIVATIONS
from .losses import LOSSES


def check_call(
    weights: Any, biases: Any, X: Any, Y: Any, activations: Any, loss: Any, alpha: Any,
    reduction: Any, bias: Any, slope: Any, how: Any = "loop",
) -> None:
    """The arguments of `backprop`, one after the other."""
    one_of("reduction", reduction, ["sum", "mean"])
    one_of("bias", bias, ["separate", "augmented", "none"])
    one_of("how", how, ["loop", "recursion"])
    check_lists(weights, biases, activations, bias)
    check_names(activations, loss)
    check_arrays(weights, biases, X, Y)
    check_alpha_and_slope(alpha, slope, X.dtype)


def check_names(activations: Any, loss: Any) -> None:
    """The names are known, and the loss goes with the output layer."""
    for l, name in enumerate(activations):
        if name == "step":
            raise ValueError(f"`activations[{l}]` is 'step', which is not differentiable: its slope "
                             "is 0 or none, so nothing can be passed down. Use 'sigmoid'.")
        one_of(f"activations[{l}]", name, ACTIVATIONS)
        if name == "softmax" and l < len(activations) - 1:
            raise ValueError(f"`activations[{l}]` is 'softmax'; use it in the output layer only.")
    one_of("loss", loss, LOSSES)
    if LOSSES[loss].wants not in (None, activations[-1]):
        raise ValueError(f"`loss` {loss!r} needs the output activation {LOSSES[loss].wants!r}, but "
                         f"`activations` ends in {activations[-1]!r}; change one of the two.")


def check_lists(weights: Any, biases: Any, activations: Any, bias: str) -> None:
    """One entry per layer, and biases as `bias` says."""
    for name, given in ("weights", weights), ("biases", biases), ("activations", activations):
        if not isinstance(given, list | tuple):
            raise TypeError(f"`{name}` is a {type(given).__name__}; give a list, one entry a layer.")
        if len(given) != len(weights) or not given:
            raise ValueError(f"`{name}` has {len(given)} entries, `weights` has {len(weights)}; "
                             "give one per layer, and one layer at least.")
    none, all_ = sum(b is None for b in biases), len(biases)
    if not {"separate": none < all_, "augmented": none == 0, "none": none == all_}[bias]:
        raise ValueError(f"`bias` is {bias!r}, but {none} of {all_} `biases` are None; "
                         "'separate' wants an array at least once, 'augmented' always, 'none' never.")


def check_arrays(weights: Any, biases: Any, X: Any, Y: Any) -> None:
    """Floats of one dtype, in shapes that fit one another."""
    check_array("X", X, ("n", "k_0"), X)
    for l, (W, b) in enumerate(zip(weights, biases, strict=True)):
        below = X.shape[1] if l == 0 else weights[l - 1].shape[1]
        check_array(f"weights[{l}]", W, (below, f"k_{l + 1}"), X)
        if b is not None:
            check_array(f"biases[{l}]", b, W.shape[1:], X)
    check_array("Y", Y, (len(X), weights[-1].shape[1]), X)


def check_array(name: str, a: Any, shape: tuple[int | str, ...], X: Any) -> None:
    """In `shape` a number must be met, a letter stands for any number but 0."""
    if type(a) is not np.ndarray or a.dtype not in (np.float64, np.float32):
        what = f"array of {a.dtype}" if type(a) is np.ndarray else type(a).__name__
        raise TypeError(f"`{name}` is a {what}; give a NumPy array of floats (float64 or float32).")
    if a.dtype != X.dtype:
        raise TypeError(f"`{name}` is {a.dtype} and `X` is {X.dtype}; give all the same dtype.")
    if len(shape) != a.ndim or any(k not in (m, str(k)) for k, m in zip(shape, a.shape)):
        wanted = str(shape).replace("'", "")
        raise ValueError(f"`{name}` has shape {a.shape}, but {wanted} is needed; reshape or cut it.")
    if a.size == 0:
        raise ValueError(f"`{name}` is empty, shape {a.shape}; give at least one row and column.")
    if not np.isfinite(a).all():
        raise ValueError(f"`{name}` holds {a[~np.isfinite(a)][0]}; give finite numbers.")
    subnormal = (np.abs(a) < np.finfo(a.dtype).smallest_normal) & (a != 0)
    if subnormal.any():
        raise ValueError(f"`{name}` holds {a[subnormal][0]}, a subnormal number, which frameworks "
                         "may take for 0; give 0 or a larger one.")


def check_alpha_and_slope(alpha: Any, slope: Any, dtype: Any) -> None:
    """alpha must also be positive and finite as a number of the arrays' dtype."""
    with np.errstate(over="ignore"):
        if not (isinstance(alpha, int | float | np.floating) and 0 < dtype.type(alpha) < np.inf):
            raise ValueError(f"`alpha` is {alpha!r}; give a positive finite number ({dtype}).")
    if not (isinstance(slope, int | float | np.floating) and 0 <= slope <= 1):
        raise ValueError(f"`slope` is {slope!r}; give a number from 0 to 1.")


def one_of(argument: str, name: Any, known: Iterable[str]) -> None:
    if name not in list(known):
        raise ValueError(f"`{argument}` is {name!r}; give one of {', '.join(known)}.")
