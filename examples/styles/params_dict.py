"""Functions that hand dictionaries around; an instance per column, a mean over them. Right."""

import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def forward(X, params):
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.maximum(0, Z1)
    A2 = sigmoid(params["W2"] @ A1 + params["b2"])
    return A2, {"Z1": Z1, "A1": A1}


def backward(X, Y, A2, cache, params):
    m = X.shape[1]
    dZ2 = A2 - Y
    dZ1 = params["W2"].T @ dZ2 * (cache["Z1"] > 0)
    return {
        "dW2": dZ2 @ cache["A1"].T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
    }
