"""Positional arrays in, a tuple of gradients out; the derivative is taken at o, not at z. Wrong."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def d_sigmoid(z):
    return sigmoid(z) * (1 - sigmoid(z))


def gradients(X, Y, W1, b1, W2, b2):
    o1 = sigmoid(X @ W1 + b1)
    o2 = sigmoid(o1 @ W2 + b2)
    delta2 = (o2 - Y) * d_sigmoid(o2)
    delta1 = delta2 @ W2.T * d_sigmoid(o1)
    return X.T @ delta1, delta1.sum(axis=0), o1.T @ delta2, delta2.sum(axis=0)
