"""The article "Backpropagation for people who are afraid of math" as code to read beside it.

The article's network, layers L95 to L100 with 5, 2, 4, 3, 3 and 1 neurons, in one pass:

>>> rng = np.random.default_rng(0)
>>> weights, biases = initial_weights([5, 2, 4, 3, 3, 1], rng)
>>> X, Y = rng.normal(size=(7, 5)), rng.normal(size=(7, 1))  # n = 7 instances
>>> one_pass = backprop(weights, biases, X, Y, ["sigmoid"] * 5, "half_squared_error", alpha=0.1)
>>> [step.shape for step in one_pass.step_W]  # each ΔW fits its W, whatever n is
[(5, 2), (2, 4), (4, 3), (3, 3), (3, 1)]
"""

import numpy as np

# In reading order:
from .activations import ACTIVATIONS as ACTIVATIONS, layers_named as layers_named
from .losses import LOSSES as LOSSES, dLoss_dOutput as dLoss_dOutput, loss_of as loss_of
from .forward import forward as forward
from .backward import three_factors as three_factors, delta_of as delta_of
from .backward import backward_loop as backward_loop, backward_recursion as backward_recursion
from .backward import backward_updating_as_it_goes as backward_updating_as_it_goes
from .bias import augment as augment, reset_to_one as reset_to_one, mask as mask, split as split
from .training import Pass as Pass, backprop as backprop, train as train
from .training import initial_weights as initial_weights
