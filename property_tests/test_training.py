"""Training as a machine with state: pass, collect every ΔW, and only then update."""

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import reference_impl
from backproof.case import Case
from backproof.errors import CaseError
from backproof.gradients import Side, Vector, flat
from oracles.bound import bounds_of, step_bound
from property_tests.asking import assert_same, assert_within, both_of
from property_tests.derived import per_layer, with_arrays
from property_tests.sides import REFERENCE
from property_tests.space import Claims
from property_tests.strategies import cases

TRAINED = Claims(
    biases=("separate", "none"),
    dtypes=("float64",),
    regimes=("integers", "normal", "duplicated", "one_hot"),
    depths=(1, 2, 3),
    max_width=4,
)
ALPHAS = st.sampled_from([0.125, 0.01, 2.0**-10])


class TrainingSteps(RuleBasedStateMachine):
    """One network under training. Whatever was asked before, a step is -alpha times the gradient
    at the weights as they are now."""

    subject: Side = REFERENCE

    @initialize(case=cases(claims=TRAINED))
    def start(self, case: Case) -> None:
        self.case = with_arrays(case)

    @rule(alpha=ALPHAS)
    def step(self, alpha: float) -> None:
        case = replace(self.case, alpha=alpha)
        _, step = both_of(self.subject, case)
        (bound,) = bounds_of([case])
        witness = -alpha * bound.witness
        allowed = step_bound(case, bound.gradient_kink, witness, self.subject.step_form)
        assert_within(case, self.subject, step, witness, allowed, by="the step at these weights")
        self._move(step)

    @rule(alpha=ALPHAS, epochs=st.integers(1, 3))
    def train(self, alpha: float, epochs: int) -> None:
        """`train` is the same steps, one after the other."""
        start = replace(self.case, alpha=alpha)
        with np.errstate(all="ignore"):  # a loss may be infinite on the way
            W, b, _ = reference_impl.train(
                start.arrays.weights,
                start.arrays.biases,
                start.arrays.X,
                start.arrays.Y,
                start.activations,
                start.loss,
                alpha=alpha,
                epochs=epochs,
                reduction=start.reduction,
                slope=start.slope,
            )
        for _ in range(epochs):
            _, step = both_of(self.subject, replace(self.case, alpha=alpha))
            if not self._move(step):
                return
        now = flat(self.case.arrays.weights, self.case.arrays.biases)
        assert_same(start, self.subject, now, flat(W, b), by=f"training for {epochs} epochs")

    @rule()
    def look(self) -> None:
        both_of(self.subject, self.case)

    def _move(self, step: Vector) -> bool:
        """Update; a net that has left the finite numbers is not trained any further."""
        old = self.case.arrays
        moved = flat(old.weights, old.biases) + step
        try:
            W, b = per_layer(self.case, moved)
            self.case = with_arrays(self.case, weights=W, biases=b)
        except CaseError:
            return False
        return True


TestTrainingSteps = TrainingSteps.TestCase
TestTrainingSteps.settings = settings(stateful_step_count=8)
