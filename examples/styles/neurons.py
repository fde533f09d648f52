"""Neuron objects and plain lists, an instance at a time. The raw error is sent down. Wrong."""

import math
import random


class Neuron:
    def __init__(self, inputs):
        self.weights = [random.gauss(0, 1) for _ in range(inputs)]
        self.bias = 0.0

    def fire(self, inputs):
        z = self.bias + sum(w * x for w, x in zip(self.weights, inputs))
        self.output = 1 / (1 + math.exp(-z))
        return self.output


def network(widths):
    return [[Neuron(k) for _ in range(j)] for k, j in zip(widths, widths[1:])]


def train(layers, x, y, lr):
    values = [x]
    for layer in layers:
        values.append([neuron.fire(values[-1]) for neuron in layer])
    errors = [neuron.output - target for neuron, target in zip(layers[-1], y)]
    for layer, inputs in zip(reversed(layers), reversed(values[:-1])):
        below = [sum(n.weights[k] * e for n, e in zip(layer, errors)) for k in range(len(inputs))]
        for neuron, error in zip(layer, errors):
            delta = error * neuron.output * (1 - neuron.output)
            neuron.bias -= lr * delta
            neuron.weights = [w - lr * delta * x for w, x in zip(neuron.weights, inputs)]
        errors = below  # the errors, without the derivative of this layer
