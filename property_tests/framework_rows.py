"""What PyTorch and JAX do by default that is not the exact derivative: one row each, a table.

A row is a function on trial. It says where it deviates and in which words; how far is measured by
`frameworks.py`. `expression` is the same function as text in z, for the reproduction.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

# (module, Z) -> O, or for a loss (module, Z, Y) -> the sum of all losses; arrays (K, n, k).
Call = Callable[..., Any]


class Row(NamedTuple):
    """framework: "torch" or "jax"   function: its name there   what: deviates, in words

    kind: "inaccuracy", or "convention" at a kink, where any slope between the two sides is right
    name: of the activation or loss that it computes, or "" where no case has it
    z: the point that the reproduction shows   says: of a convention, the derivative there
    """

    framework: str
    function: str
    what: str
    kind: str
    name: str
    call: Call
    expression: str
    z: float
    dtype: str = "float64"
    says: float = math.nan


BCE = "binary_cross_entropy"
BCE_LOGITS = "binary_cross_entropy_with_logits"
CE_LOGITS = "cross_entropy_with_logits"


def _of_torch(function: str) -> Call:
    return lambda torch, Z: getattr(torch.nn.functional, function)(Z)


def _of_jax(function: str) -> Call:
    return lambda jax, Z: getattr(jax.nn, function)(Z)


def _in_torch(function: str) -> str:
    return f"torch.nn.functional.{function}(z)"


def _in_jax(function: str) -> str:
    return f"jax.nn.{function}(z)"


def _torch_loss(function: str) -> Call:
    return lambda torch, O, Y: getattr(torch.nn.functional, function)(O, Y, reduction="sum")


def _torch_bce(torch: Any, Z: Any, Y: Any) -> Any:
    return torch.nn.functional.binary_cross_entropy(torch.sigmoid(Z), Y, reduction="sum")


def _torch_ce(torch: Any, Z: Any, Y: Any) -> Any:
    flat = Z.reshape(-1, Z.shape[-1]), Y.reshape(-1, Y.shape[-1])
    return torch.nn.functional.cross_entropy(*flat, reduction="sum")


def _jax_bce(jax: Any, Z: Any, Y: Any) -> Any:
    p = jax.nn.sigmoid(Z)
    return -(Y * jax.numpy.log(p) + (1 - Y) * jax.numpy.log(1 - p)).sum()


def _jax_ce(jax: Any, Z: Any, Y: Any) -> Any:
    return -(Y * jax.nn.log_softmax(Z, axis=-1)).sum()


def _jax_logsumexp(jax: Any, Z: Any, Y: Any) -> Any:
    return (jax.nn.logsumexp(Z, axis=-1) * Y.sum(axis=-1)).sum() - (Y * Z).sum()


def _jax_log_of_softmax(jax: Any, Z: Any, Y: Any) -> Any:
    return -(Y * jax.numpy.log(jax.nn.softmax(Z, axis=-1))).sum()


_NO_TAIL = "o (1 - o) of the rounded o: 0 beyond z = 37"
_NO_TANH_TAIL = "1 - o² of the rounded o: beyond |z| = 19 nothing is left"
_QUOTIENT = "differentiated as a quotient of 1 + |z| and |z|: the error grows as 1 + |z|"
_P_MINUS_1 = "p - 1 of a rounded p: at a margin of 40 it is 0"
_THRESHOLD = "the identity above its `threshold` of 20: derivative 1"
_ERF_TAIL = "(1 + erf) / 2 leaves nothing of Phi below z = -8.3: o is 0, g' off by 1/z²"

# fmt: off
ROWS = (
    Row("torch", "nn.functional.softplus", _THRESHOLD, "inaccuracy", "softplus",
        _of_torch("softplus"), _in_torch("softplus"), 20.5),
    Row("torch", "sigmoid", _NO_TAIL, "inaccuracy", "sigmoid",
        lambda torch, Z: torch.sigmoid(Z), "torch.sigmoid(z)", 38.0),
    Row("torch", "sigmoid", _NO_TAIL.replace("37", "17"), "inaccuracy", "sigmoid",
        lambda torch, Z: torch.sigmoid(Z), "torch.sigmoid(z)", 18.0, "float32"),
    Row("torch", "tanh", _NO_TANH_TAIL, "inaccuracy", "tanh",
        lambda torch, Z: torch.tanh(Z), "torch.tanh(z)", 20.0),
    Row("torch", "nn.functional.gelu", _ERF_TAIL, "inaccuracy", "gelu",
        _of_torch("gelu"), _in_torch("gelu"), -9.0),
    Row("torch", "nn.functional.gelu", _ERF_TAIL.replace("8.3", "5.5"), "inaccuracy", "gelu",
        _of_torch("gelu"), _in_torch("gelu"), -6.0, "float32"),
    Row("torch", "nn.functional.softsign", _QUOTIENT, "inaccuracy", "softsign",
        _of_torch("softsign"), _in_torch("softsign"), 700.3),
    Row("torch", "nn.functional.binary_cross_entropy",
        "a floor of 1e-12 under p (1 - p), and p rounded to 1: nothing right beyond z = 27",
        "inaccuracy", BCE, _torch_bce,
        "torch.nn.functional.binary_cross_entropy(torch.sigmoid(z), torch.ones_like(z))", 30.0),
    Row("torch", "nn.functional.binary_cross_entropy_with_logits", _P_MINUS_1, "inaccuracy",
        BCE_LOGITS, _torch_loss("binary_cross_entropy_with_logits"),
        "torch.nn.functional.binary_cross_entropy_with_logits(z, torch.ones_like(z))", 40.0),
    Row("torch", "nn.functional.cross_entropy", _P_MINUS_1, "inaccuracy", CE_LOGITS, _torch_ce,
        "torch.nn.functional.cross_entropy(torch.stack([z, 0 * z]), torch.tensor(0))", 40.0),
    Row("torch", "maximum", "½: a tie is shared", "convention", "relu",
        lambda torch, Z: torch.maximum(Z, torch.zeros_like(Z)),
        "torch.maximum(z, torch.zeros_like(z))", 0.0, says=0.5),
    Row("torch", "clamp", "1: the limit itself counts as inside", "convention", "relu",
        lambda torch, Z: torch.clamp(Z, min=0), "torch.clamp(z, min=0)", 0.0, says=1.0),
    Row("torch", "abs", "0", "convention", "",
        lambda torch, Z: torch.abs(Z), "torch.abs(z)", 0.0, says=0.0),
    Row("jax", "nn.gelu", "the tanh approximation, unless `approximate=False`", "inaccuracy",
        "gelu", _of_jax("gelu"), _in_jax("gelu"), -4.0),
    Row("jax", "nn.elu", "o + 1 instead of exp(z): below z = -37 nothing is left",
        "inaccuracy", "elu", _of_jax("elu"), _in_jax("elu"), -38.0),
    Row("jax", "nn.elu", "o + 1 instead of exp(z): below z = -17 nothing is left",
        "inaccuracy", "elu", _of_jax("elu"), _in_jax("elu"), -18.0, "float32"),
    Row("jax", "nn.sigmoid", _NO_TAIL, "inaccuracy", "sigmoid",
        _of_jax("sigmoid"), _in_jax("sigmoid"), 38.0),
    Row("jax", "nn.sigmoid", _NO_TAIL.replace("37", "17"), "inaccuracy", "sigmoid",
        _of_jax("sigmoid"), _in_jax("sigmoid"), 18.0, "float32"),
    Row("jax", "numpy.tanh", _NO_TANH_TAIL, "inaccuracy", "tanh",
        lambda jax, Z: jax.numpy.tanh(Z), "jax.numpy.tanh(z)", 20.0),
    Row("jax", "nn.softplus", "logaddexp's exp(z - o): z and o rounded, so an error of |z| u",
        "inaccuracy", "softplus", _of_jax("softplus"), _in_jax("softplus"), -18.75),
    Row("jax", "nn.soft_sign", _QUOTIENT, "inaccuracy", "softsign",
        _of_jax("soft_sign"), _in_jax("soft_sign"), 700.3),
    Row("jax", "nn.sigmoid, log(p) and log(1 - p)",
        "no such loss in JAX; written out, 1 - p is 0 beyond z = 37 and the loss NaN at label 1",
        "inaccuracy", BCE, _jax_bce,
        "-(jax.numpy.log(jax.nn.sigmoid(z)) + 0 * jax.numpy.log(1 - jax.nn.sigmoid(z)))", 38.0),
    Row("jax", "nn.log_softmax", _P_MINUS_1, "inaccuracy", CE_LOGITS, _jax_ce,
        "-jax.nn.log_softmax(jax.numpy.stack([z, 0 * z]))[0]", 40.0),
    Row("jax", "nn.logsumexp", _P_MINUS_1, "inaccuracy", CE_LOGITS, _jax_logsumexp,
        "jax.nn.logsumexp(jax.numpy.stack([z, 0 * z])) - z", 40.0),
    Row("jax", "log of nn.softmax", "p underflows beyond a margin of 745: NaN", "inaccuracy",
        CE_LOGITS, _jax_log_of_softmax,
        "-jax.numpy.log(jax.nn.softmax(jax.numpy.stack([z, 0 * z])))[0]", -760.0),
    Row("jax", "nn.leaky_relu", "1, where others have the slope", "convention",
        "leaky_relu", lambda jax, Z: jax.nn.leaky_relu(Z, 1 / 64),
        "jax.nn.leaky_relu(z, 1 / 64)", 0.0, says=1.0),
    Row("jax", "numpy.maximum", "½: a tie is shared", "convention", "relu",
        lambda jax, Z: jax.numpy.maximum(Z, 0), "jax.numpy.maximum(z, 0)", 0.0, says=0.5),
    Row("jax", "numpy.clip", "½", "convention", "relu",
        lambda jax, Z: jax.numpy.clip(Z, 0), "jax.numpy.clip(z, 0)", 0.0, says=0.5),
    Row("jax", "numpy.abs", "1", "convention", "",
        lambda jax, Z: jax.numpy.abs(Z), "jax.numpy.abs(z)", 0.0, says=1.0),
)
# fmt: on
