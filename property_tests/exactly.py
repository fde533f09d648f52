"""The reference and other programs as questions in exact arithmetic (`oracles.certified`)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import reference_impl
from backproof.case import Case
from backproof.exact_arithmetic import Ask, Question
from reference_impl.activations import Activation, softmax

# From the activations as they are to others, for a mistake that is planted among them.
Changed = Callable[[list[Activation]], list[Activation]]


def slope_of(case: Case) -> float:
    """The slope of leaky_relu in the dtype of the case, as every side has it."""
    return float(np.dtype(case.dtype).type(case.slope))


def reference_exactly(case: Case, changed: Changed = list) -> Ask:
    """The two passes of `reference_impl.backprop`, without its checks: those ask for floats."""
    layers = changed(reference_impl.layers_named(case.activations, slope_of(case)))
    augmented = case.bias == "augmented"
    if augmented:
        layers = [reference_impl.reset_to_one(layer) for layer in layers[:-1]] + layers[-1:]

    def ask(question: Question) -> tuple[Sequence[Any], Sequence[Any]]:
        # To the textbook they are arrays like others.
        weights: list[Any] = question.weights
        biases: list[Any] = question.biases
        X: Any = question.X
        if augmented:
            weights = reference_impl.augment(weights, [b for b in biases if b is not None])
            X, biases = reference_impl.with_ones(X), [None] * len(weights)
        Z, O = reference_impl.forward(weights, biases, X, layers)
        dLoss_dO = reference_impl.dLoss_dOutput(case.loss, O[-1], question.Y, case.reduction)
        dW, db = reference_impl.backward_loop(dLoss_dO, weights, Z, O, layers)
        return reference_impl.split(dW) if augmented else (dW, db)

    return ask


def program_exactly(case: Case, backprop: Callable[..., Any]) -> Ask:
    """A function with the signature of `examples/my_net.py`."""

    def ask(question: Question) -> tuple[Sequence[Any], Sequence[Any]]:
        return backprop(
            question.weights,
            question.biases,
            question.X,
            question.Y,
            list(case.activations),
            case.loss,
            reduction=case.reduction,
            slope=slope_of(case),
        )

    return ask


def off_by(factor: float, layer: int) -> Changed:
    """g' of one layer times a factor: a mistake that no float64 shows."""

    def changed(layers: list[Activation]) -> list[Activation]:
        g, g_prime = layers[layer]
        # The softmax of an output is taken as a whole, so it has no g' to be wrong.
        assert g is not softmax
        wrong = Activation(g, lambda Z, O: factor * g_prime(Z, O))
        return [*layers[:layer], wrong, *layers[layer + 1 :]]

    return changed


def off_at(factor: float, layer: int, place: int) -> Changed:
    """The same at one place of Z alone: one row and one neuron, counted row by row as in Z."""

    def changed(layers: list[Activation]) -> list[Activation]:
        g, g_prime = layers[layer]

        def wrong(Z: Any, O: Any) -> Any:
            slopes = g_prime(Z, O).copy()
            slopes[np.unravel_index(place, slopes.shape)] *= factor
            return slopes

        return [*layers[:layer], Activation(g, wrong), *layers[layer + 1 :]]

    return changed
