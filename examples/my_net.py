"""Backpropagation by hand, in the form that `backproof verify --impl examples/my_net.py` asks.

n instances, one per row. For layer l: O_l = g(Z_l), Z_l = O_{l-1} @ W_l + b_l, and O_0 = X.
"""

import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))  # the largest becomes 1: nothing overflows
    return e / e.sum(axis=1, keepdims=True)


g = {
    "identity": lambda Z, slope: Z,
    "sigmoid": lambda Z, slope: sigmoid(Z),
    "tanh": lambda Z, slope: np.tanh(Z),
    "relu": lambda Z, slope: np.maximum(Z, 0),
    "leaky_relu": lambda Z, slope: np.where(Z > 0, Z, slope * Z),
    "elu": lambda Z, slope: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0))),
    "softplus": lambda Z, slope: np.logaddexp(Z, 0),
    "silu": lambda Z, slope: Z * sigmoid(Z),
    "softsign": lambda Z, slope: Z / (1 + abs(Z)),
    "softmax": lambda Z, slope: softmax(Z),
}

# g'(Z); the first two are shorter when written with O = g(Z).
g_prime = {
    "sigmoid": lambda Z, O, slope: O * (1 - O),
    "tanh": lambda Z, O, slope: 1 - O**2,
    "identity": lambda Z, O, slope: np.ones_like(Z),
    "relu": lambda Z, O, slope: np.where(Z > 0, 1.0, 0.0),
    "leaky_relu": lambda Z, O, slope: np.where(Z > 0, 1.0, slope),
    "elu": lambda Z, O, slope: np.exp(np.minimum(Z, 0)),
    "softplus": lambda Z, O, slope: sigmoid(Z),
    "silu": lambda Z, O, slope: sigmoid(Z) * (1 + Z * (1 - sigmoid(Z))),
    "softsign": lambda Z, O, slope: 1 / (1 + abs(Z)) ** 2,
}


def output_delta(loss, activation, Z, O, Y, slope):
    """dLoss/dZ of the last layer. With its own cross-entropy, g' cancels and O - Y is left."""
    k = Y.shape[1]
    if loss == "cross_entropy":
        return O - Y
    if loss == "cross_entropy_with_logits":
        return softmax(Z) - Y
    if loss == "binary_cross_entropy":
        return (O - Y) / k
    if loss == "binary_cross_entropy_with_logits":
        return (sigmoid(Z) - Y) / k
    dLoss_dO = {"half_squared_error": O - Y, "mean_squared_error": 2 * (O - Y) / k}[loss]
    if activation == "softmax":  # each output of a row depends on all Z of that row
        return O * (dLoss_dO - (dLoss_dO * O).sum(axis=1, keepdims=True))
    return dLoss_dO * g_prime[activation](Z, O, slope)


def backprop(weights, biases, X, Y, activations, loss, reduction="sum", slope=1 / 64):
    """dLoss/dW and dLoss/db of every layer, as two lists of arrays."""
    Zs, Os = [], [X]
    for W, b, name in zip(weights, biases, activations, strict=True):
        Z = Os[-1] @ W if b is None else Os[-1] @ W + b
        Zs.append(Z)
        Os.append(g[name](Z, slope))

    delta = output_delta(loss, activations[-1], Zs[-1], Os[-1], Y, slope)
    if reduction == "mean":
        delta = delta / len(X)
    dW, db = [], []
    for layer in reversed(range(len(weights))):
        dW.insert(0, Os[layer].T @ delta)  # (k_in, n) @ (n, k_out): the n instances are summed
        db.insert(0, delta.sum(axis=0))  # b was added to every row, so the rows are summed
        if layer > 0:
            error = delta @ weights[layer].T
            delta = error * g_prime[activations[layer - 1]](Zs[layer - 1], Os[layer], slope)
    return dW, db
