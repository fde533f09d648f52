"""The article "Backpropagation for people who are afraid of math" as code to read beside it.

Its network, layers L95 to L100 with 5, 2, 4, 3, 3 and 1 neurons, and n = 7 instances:

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> weights, biases = initial_weights([5, 2, 4, 3, 3, 1], rng)
>>> X, Y = rng.normal(size=(7, 5)), rng.normal(size=(7, 1))
>>> one = backprop(weights, biases, X, Y, ["sigmoid"] * 5, "half_squared_error", alpha=0.1)
>>> [step.shape for step in one.step_W]  # every ΔW fits its W, n is summed away
[(5, 2), (2, 4), (4, 3), (3, 3), (3, 1)]
"""

# ruff: noqa: I001 (the order is that of reading)
from .activations import ACTIVATIONS as ACTIVATIONS, layers_named as layers_named
from .losses import LOSSES as LOSSES, dLoss_dOutput as dLoss_dOutput, loss_of as loss_of
from .passes import forward as forward, three_factors as three_factors, delta_of as delta_of
from .passes import backward_loop as backward_loop, backward_recursion as backward_recursion
from .passes import backward_updating_as_it_goes as backward_updating_as_it_goes
from .bias import with_ones as with_ones, augment as augment, split as split
from .bias import reset_to_one as reset_to_one, mask as mask
from .training import backprop as backprop, Pass as Pass
from .training import train as train, initial_weights as initial_weights
