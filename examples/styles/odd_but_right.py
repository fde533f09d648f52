"""It looks wrong three times and is right.

It updates during the pass, but each layer only when nothing below needs its old weights any more;
it uses o * (1 - o), fed with o; and it climbs: W += lr * (y - o) ... is the same step.
"""

import numpy as np


def sigmoid_prime(o):
    return o * (1 - o)  # of o, the activation, not of z


class Net:
    def __init__(self, widths, lr=0.5):
        self.Ws = [np.random.randn(k, j) for k, j in zip(widths, widths[1:])]
        self.bs = [np.random.randn(j) for j in widths[1:]]
        self.lr = lr

    def fit_once(self, X, Y):
        Os = [X]
        for W, b in zip(self.Ws, self.bs):
            Os.append(1 / (1 + np.exp(-(Os[-1] @ W + b))))
        delta = (Y - Os[-1]) * sigmoid_prime(Os[-1])
        for l in reversed(range(len(self.Ws))):
            below = delta @ self.Ws[l].T  # the last use of the old W
            self.Ws[l] += self.lr * Os[l].T @ delta
            self.bs[l] += self.lr * delta.sum(axis=0)
            delta = below * sigmoid_prime(Os[l])
