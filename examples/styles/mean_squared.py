"""A method that returns its gradients: of the mean over rows of (o - y)**2, without its 2. Right.

One positive constant for all arrays is a convention, and is named.
"""

import numpy as np


class Net:
    def __init__(self, k, h, j):
        self.params = {
            "W1": np.random.randn(k, h), "b1": np.zeros(h),
            "W2": np.random.randn(h, j), "b2": np.zeros(j),
        }  # fmt: skip

    def gradients(self, X, Y):
        p = self.params
        H = np.tanh(X @ p["W1"] + p["b1"])
        delta2 = (H @ p["W2"] + p["b2"] - Y) / len(X)
        delta1 = delta2 @ p["W2"].T * (1 - H**2)
        return {
            "dW1": X.T @ delta1,
            "db1": delta1.sum(0),
            "dW2": H.T @ delta2,
            "db2": delta2.sum(0),
        }
