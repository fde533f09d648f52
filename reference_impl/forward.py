"""The forward pass. `weights[l]` leads from `O[l]` up to `Z[l]`, and `O[l + 1]` is g(Z[l])."""

from .activations import Activations, Array, Arrays, Biases


def forward(
    weights: Arrays, biases: Biases, X: Array, activations: Activations
) -> tuple[list[Array], list[Array]]:
    """Carry n instances, one per row of X, up through the layers; keep the Z and O of each.

    A weight matrix (k, j) takes a layer (n, k) to a layer (n, j). One layer is a perceptron.
    Returns (Z, O). O has one more, for `O[0]` is X.
    """
    Z: list[Array] = []
    O = [X]
    for W, b, activation in zip(weights, biases, activations, strict=True):
        Z.append(O[-1] @ W if b is None else O[-1] @ W + b)  # the same b for every row
        O.append(activation.g(Z[-1]))
    return Z, O
