"""The exact gradient in python-flint's balls, written for the trial of the bound and nothing else.

A third forward and backward pass on purpose: it shares no formula with `oracles` and
`reference_impl`. Every derivative has the form that keeps its tail, at 300 bits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx

from backproof.case import Case
from backproof.drawing import Array
from backproof.gradients import Vector

Balls = Any  # an array of dtype object that holds `arb`


@dataclass(frozen=True)
class Truth:
    """gradient: (P,) balls in the order of `slots_of`   kinked: is some z 0, or undecidable?"""

    gradient: Balls
    kinked: bool

    def errors(self, computed: Vector) -> Vector:
        """|computed - exact|, (P,); infinite where `computed` is not finite."""
        with _bits(300):
            return np.array(
                [
                    float(abs(arb(float(x)) - exact)) if np.isfinite(x) else np.inf
                    for x, exact in zip(computed, self.gradient, strict=True)
                ]
            )

    def step_errors(self, computed: Vector, alpha: float) -> Vector:
        """|computed - (-alpha * exact)|, (P,), for a step."""
        with _bits(300):
            return Truth(self.gradient * arb(-alpha), self.kinked).errors(computed)


def truth_of(case: Case) -> Truth:
    """dLoss/dW and dLoss/db of every layer. A z of exactly 0 counts as below the kink."""
    with _bits(300):
        return _truth(case)


@contextmanager
def _bits(bits: int) -> Iterator[None]:
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def _balls(array: Array) -> Balls:
    return np.vectorize(lambda x: arb(float(x)), otypes=[object])(array)


def _truth(case: Case) -> Truth:
    weights = [_balls(W) for W in case.arrays.weights]
    O, Y = [_balls(case.arrays.X)], _balls(case.arrays.Y)
    Z, slope = [], arb(float(np.dtype(case.dtype).type(case.slope)))
    for W, b, name in zip(weights, case.arrays.biases, case.activations, strict=True):
        Z.append(O[-1] @ W if b is None else O[-1] @ W + _balls(b))
        O.append(_softmax(Z[-1])[0] if name == "softmax" else _each(G[name], Z[-1], slope))
    delta = _output_delta(case, Z[-1], O[-1], Y, slope)
    parts: list[Balls] = []
    for layer in reversed(range(case.depth)):
        own = [(O[layer].T @ delta).ravel()]
        parts = own + [delta.sum(axis=0)] * (case.bias != "none") + parts
        if layer:
            derivative = _each(G_PRIME[case.activations[layer - 1]], Z[layer - 1], slope)
            delta = (delta @ weights[layer].T) * derivative
    kinked = [
        any(not (z > 0 or z < 0) for z in own.ravel())
        for own, name in zip(Z, case.activations, strict=True)
        if name in ("relu", "leaky_relu", "elu")
    ]
    return Truth(np.concatenate(parts), any(kinked))


def _output_delta(case: Case, Z: Balls, O: Balls, Y: Balls, slope: arb) -> Balls:
    rows = case.n if case.reduction == "mean" else 1
    if case.loss.startswith("cross_entropy"):
        # p_i sum(Y) - Y_i, with 1 = sum(p): nothing cancels while the labels are not negative.
        p, others = _softmax(Z)
        return (p * (Y.sum(axis=1)[:, None] - Y) - Y * others) / arb(rows)
    if case.loss.startswith("binary"):
        sigma = _each(_sigmoid, Z, slope), _each(_sigmoid, -Z, slope)
        return ((arb(1) - Y) * sigma[0] - Y * sigma[1]) / arb(rows * Y.shape[1])
    if case.loss == "mean_squared_error":
        rows = arb(rows * Y.shape[1]) / 2
    G = (O - Y) / arb(rows)
    if case.activations[-1] == "softmax":
        H = (O[:, None, :] * (G[:, :, None] - G[:, None, :])).sum(axis=2)
        return O * H
    return G * _each(G_PRIME[case.activations[-1]], Z, slope)


def _softmax(Z: Balls) -> tuple[Balls, Balls]:
    """p, and 1 - p as the sum of the others."""
    middle = np.array([max(row, key=float) for row in Z], dtype=object)[:, None]
    exps = _each(lambda z, _: z.exp(), Z - middle, arb(0))
    total = exps.sum(axis=1)[:, None]
    everybody_else = np.where(np.eye(Z.shape[1], dtype=bool), arb(0), arb(1))
    return exps / total, exps @ everybody_else / total


def _each(g: Callable[[arb, arb], arb], Z: Balls, slope: arb) -> Balls:
    return np.frompyfunc(lambda z: g(z, slope), 1, 1)(Z)


def _sigmoid(z: arb, _: arb) -> arb:
    return 1 / (1 + (-z).exp())


def _Phi(z: arb) -> arb:
    return (-z / arb(2).sqrt()).erfc() / 2


def _phi(z: arb) -> arb:
    return (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


G: dict[str, Callable[[arb, arb], arb]] = {
    "identity": lambda z, _: z,
    "sigmoid": _sigmoid,
    "tanh": lambda z, _: z.tanh(),
    "relu": lambda z, _: z if z > 0 else arb(0),
    "leaky_relu": lambda z, slope: z if z > 0 else slope * z,
    "elu": lambda z, _: z if z > 0 else z.expm1(),
    "softplus": lambda z, _: z + (-z).exp().log1p() if z > 0 else z.exp().log1p(),
    "gelu": lambda z, _: z * _Phi(z),
    "silu": lambda z, _: z / (1 + (-z).exp()),
    "softsign": lambda z, _: z / (1 + abs(z)),
}
G_PRIME: dict[str, Callable[[arb, arb], arb]] = {
    "identity": lambda z, _: arb(1),
    "sigmoid": lambda z, _: _sigmoid(z, z) * _sigmoid(-z, z),
    "tanh": lambda z, _: 1 / z.cosh() ** 2,
    "relu": lambda z, _: arb(1) if z > 0 else arb(0),
    "leaky_relu": lambda z, slope: arb(1) if z > 0 else slope,
    "elu": lambda z, _: arb(1) if z > 0 else z.exp(),
    "softplus": _sigmoid,
    "gelu": lambda z, _: _Phi(z) + z * _phi(z),
    "silu": lambda z, _: _sigmoid(z, z) * (1 + z * _sigmoid(-z, z)),
    "softsign": lambda z, _: 1 / (1 + abs(z)) ** 2,
}
