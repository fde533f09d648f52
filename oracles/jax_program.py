"""What JAX compiles: the loss of any network that fits a box, and its gradient.

Layers, functions and sizes are data here, so one program serves every architecture. In the
batched program a switch computes every branch and selects, and the derivative of a branch that
was not taken is multiplied by zero: it must be finite, or 0 * inf would poison the lane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# What one lane (one case) looks like inside the program: arrays by name.
Lane = dict[str, Any]


class Box(NamedTuple):
    """The size that cases are padded to, and how many share one call."""

    depth: int
    width: int
    rows: int
    lanes: int


# Many small networks share the cost of a call. A wide one goes alone: without the batching a
# switch takes only the branch it needs.
BOXES = (Box(5, 8, 8, 32), Box(8, 64, 128, 1))

# The program knows functions by their position here. Softmax is part of a loss.
ELEMENTWISE = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "gelu",
    "silu",
    "softsign",
)
LOSSES = (
    "squared_error",
    "squared_error_of_softmax",
    "binary_cross_entropy",
    "cross_entropy",
)


def answer_of(box: Box) -> Callable[[Lane], tuple[Any, Any]]:
    """The function to compile: arrays of a call -> (gradient, step), shaped as `parameters`."""
    import jax

    def backprop(lane: Lane) -> tuple[Any, Any]:
        gradient = jax.grad(_loss)(lane["parameters"], lane)
        return gradient, -lane["alpha"] * gradient

    def alone(lanes: Lane) -> tuple[Any, Any]:
        gradient, step = backprop({name: array[0] for name, array in lanes.items()})
        return gradient[None], step[None]

    return alone if box.lanes == 1 else jax.vmap(backprop)


def _loss(parameters: Any, lane: Lane) -> Any:
    """The loss of one case from its padded parameters (depth, width + 1, width)."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    (O, Z), Y = _forward(parameters, lane), lane["Y"]
    row = jnp.arange(Z.shape[0])[:, None] < lane["n"]
    column = jnp.arange(Z.shape[1]) < lane["outputs"]
    # Columns of padding get no share of a softmax. Not -inf: 0 * inf would be NaN.
    logits = jnp.where(column, Z, jnp.finfo(Z.dtype).min / 4)
    of = {
        "squared_error": lambda: (O - Y) ** 2,
        "squared_error_of_softmax": lambda: (jax.nn.softmax(logits, axis=1) - Y) ** 2,
        # -Y log sigmoid(Z) - (1 - Y) log sigmoid(-Z)
        "binary_cross_entropy": lambda: Y * _softplus(-Z) + (1 - Y) * _softplus(Z),
        "cross_entropy": lambda: -Y * jax.nn.log_softmax(logits, axis=1),
    }
    each = lax.switch(lane["loss"], [of[name] for name in LOSSES])
    return jnp.where(row & column, each, 0).sum() / lane["divisor"]


def _forward(parameters: Any, lane: Lane) -> tuple[Any, Any]:
    """O_L and Z_L (rows, width); padding in front of the first layer hands X on."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    row = jnp.arange(lane["X"].shape[0])[:, None] < lane["n"]
    activations = _elementwise(lane["slope"])

    def layer(O: Any, W_and_b: Any, activation: Any) -> tuple[Any, Any]:
        Z = jnp.matmul(O, W_and_b[:-1], precision=lax.Precision.HIGHEST) + W_and_b[-1]
        Z = jnp.where(row, Z, 0)  # rows of padding stay finite whatever the weights are
        return lax.switch(activation, activations, Z), Z

    def step(carried: tuple[Any, Any], given: tuple[Any, Any]) -> tuple[Any, None]:
        W_and_b, activation = given
        O, Z = carried
        is_layer = activation >= 0
        return lax.cond(
            is_layer, lambda: layer(O, W_and_b, jnp.maximum(activation, 0)), lambda: (O, Z)
        ), None

    start = (lane["X"], jnp.zeros_like(lane["X"]))
    # `checkpoint`: going backward each layer is computed again, instead of keeping what every
    # branch of the switch may need. As fast, and a third less to compile.
    layers = (parameters, lane["activations"])
    (O, Z), _ = lax.scan(jax.checkpoint(step), start, layers)
    return O, Z


def _elementwise(slope: Any) -> list[Callable[[Any], Any]]:
    """The functions in the order of ELEMENTWISE; derivatives are finite for every finite z."""
    import jax
    from jax import numpy as jnp

    of = {
        "identity": lambda z: z,
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "relu": lambda z: jnp.where(z > 0, z, 0),
        # jax.nn.leaky_relu has the derivative 1 at z = 0, where everybody else has the slope.
        "leaky_relu": lambda z: jnp.where(z > 0, z, slope * z),
        "elu": lambda z: jnp.where(z > 0, z, jnp.expm1(jnp.where(z > 0, 0, z))),
        "softplus": _softplus,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
        "silu": lambda z: z * jax.nn.sigmoid(z),
        "softsign": lambda z: z / (1 + jnp.abs(z)),
    }
    return [of[name] for name in ELEMENTWISE]


def _softplus(z: Any) -> Any:
    """log(1 + exp(z)), in value and derivative accurate on both sides: no exp of a large number,
    and unlike max(z, 0) + log1p(exp(-|z|)) it has the derivative 1/2 at 0."""
    from jax import numpy as jnp

    tail = jnp.log1p(jnp.exp(jnp.where(z > 0, -z, z)))
    return jnp.where(z > 0, z + tail, tail)
