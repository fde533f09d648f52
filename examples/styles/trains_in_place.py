"""A class whose train() does everything and shows nothing. Right."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Net:
    def __init__(self, inputs, hidden, outputs, lr=0.1):
        self.W1, self.b1 = np.random.randn(inputs, hidden), np.zeros(hidden)
        self.W2, self.b2 = np.random.randn(hidden, outputs), np.zeros(outputs)
        self.lr = lr

    def train(self, X, Y):
        H = sigmoid(X @ self.W1 + self.b1)
        O = sigmoid(H @ self.W2 + self.b2)
        delta2 = (O - Y) * O * (1 - O)
        delta1 = delta2 @ self.W2.T * H * (1 - H)  # before W2 moves
        self.W2 -= self.lr * H.T @ delta2
        self.b2 -= self.lr * delta2.sum(axis=0)
        self.W1 -= self.lr * X.T @ delta1
        self.b1 -= self.lr * delta1.sum(axis=0)
