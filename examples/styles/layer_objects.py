"""Layer objects: forward up the list, backward(upstream, lr) down. The bias never moves. Wrong."""

import numpy as np


class Dense:
    def __init__(self, inputs, outputs):
        self.weights = np.random.randn(inputs, outputs)
        self.bias = np.random.randn(1, outputs)

    def forward(self, X):
        self.X = X
        return X @ self.weights + self.bias

    def backward(self, upstream, lr):
        downstream = upstream @ self.weights.T
        self.weights -= lr * self.X.T @ upstream
        return downstream


class Tanh:
    def forward(self, Z):
        self.O = np.tanh(Z)
        return self.O

    def backward(self, upstream, lr):
        return upstream * (1 - self.O**2)


def network(widths):
    layers = []
    for k, j in zip(widths, widths[1:]):
        layers += [Dense(k, j), Tanh()]
    return layers


def train(layers, X, Y, lr):
    O = X
    for layer in layers:
        O = layer.forward(O)
    error = O - Y
    for layer in reversed(layers):
        error = layer.backward(error, lr)
