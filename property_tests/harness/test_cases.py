"""Cases on trial: the arrays they stand for, the order of the parameters, what is refused."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from backproof import names
from backproof.case import Arrays, Case
from backproof.errors import CaseError
from backproof.gradients import flat, slots_of
from property_tests.derived import per_layer
from property_tests.harness.small_cases import ONE
from property_tests.strategies import cases


@given(cases(size=None))
def test_arrays_have_the_shapes_and_the_dtype_of_the_case(case: Case) -> None:
    arrays = case.arrays
    assert arrays.X.shape == (case.n, case.widths[0])
    assert arrays.Y.shape == (case.n, case.widths[-1])
    assert [W.shape for W in arrays.weights] == list(
        zip(case.widths, case.widths[1:], strict=False)
    )
    assert all((b is None) == (case.bias == "none") for b in arrays.biases)
    given = [*arrays.weights, *(b for b in arrays.biases if b is not None), arrays.X, arrays.Y]
    assert {str(array.dtype) for array in given} == {case.dtype}
    assert not any(array.flags.writeable for array in given)
    replace(case, given=arrays)  # finite, no subnormals: what is drawn may also be given


@given(cases())
def test_float32_is_the_same_numbers_as_float64(case: Case) -> None:
    """Every number drawn fits a float32, so the two dtypes ask the same question."""
    narrow, wide = (replace(case, dtype=dtype, scale=0).arrays for dtype in reversed(names.DTYPES))
    for a, b in zip(
        (*narrow.weights, narrow.X, narrow.Y), (*wide.weights, wide.X, wide.Y), strict=True
    ):
        assert (a == b).all()


def test_the_bias_form_does_not_change_the_other_numbers() -> None:
    case = Case((3, 4, 2), ("tanh", "identity"), n=3, seed=9)
    for bias in names.BIASES:
        other = replace(case, bias=bias).arrays
        assert all(map(np.array_equal, other.weights, case.arrays.weights))
        assert np.array_equal(other.Y, case.arrays.Y)


def of_regime(regime: str, **changes: Any) -> Arrays:
    case = Case((4, 5, 3), ("tanh", "identity"), n=7, seed=2, regime=regime)
    return replace(case, **changes).arrays


def test_each_regime_draws_what_it_says() -> None:
    integers, fractions, zeros = map(of_regime, ("integers", "fractions", "zeros"))
    assert set(np.unique(integers.X)) <= set(range(-3, 4))
    assert set(np.unique(fractions.X * 4)) <= set(range(-8, 9))
    assert set(np.unique(zeros.X)) == {-1, 0, 1}
    assert not any(b.any() for b in zeros.biases if b is not None)
    normal, saturated, tiny = map(of_regime, ("normal", "saturated", "tiny"))
    assert (saturated.X == 4 * normal.X).all()
    assert (saturated.weights[0] == 8 * normal.weights[0]).all()
    assert np.abs(tiny.X).max() < 2**-17
    rows = of_regime("duplicated")
    assert (rows.X[0:6:2] == rows.X[1:6:2]).all()
    assert (rows.Y[0:6:2] == rows.Y[1:6:2]).all()


@pytest.mark.parametrize("loss", names.LOSSES)
@pytest.mark.parametrize("regime", ["normal", "one_hot", "soft_labels"])
def test_labels_are_those_of_the_loss(loss: str, regime: str) -> None:
    output = names.OUTPUT_ACTIVATION.get(loss, "identity")
    Y = of_regime(regime, loss=loss, activations=("tanh", output)).Y
    if loss.startswith("cross_entropy") or (regime != "normal" and "binary" not in loss):
        assert (Y.sum(axis=1) == 1).all()
    if "entropy" in loss or regime != "normal":
        assert Y.min() >= 0
        assert Y.max() <= 1
    if "entropy" in loss and regime != "soft_labels":
        assert set(np.unique(Y)) <= {0.0, 1.0}
    if regime == "soft_labels":
        assert not set(np.unique(Y)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (1,)}, "`widths` has 1 numbers for 1 layers; give 2"),
        ({"widths": (0, 1)}, "`widths` is (0, 1); use whole numbers from 1 to 64."),
        ({"widths": (True, 1)}, "`widths` is (True, 1)"),
        ({"widths": [1, 1]}, "`widths` is a list; give a tuple."),
        ({"widths": 5}, "`widths` is a int; give a tuple."),
        ({"activations": "tanh"}, "`activations` is a str; give a tuple."),
        ({"activations": ()}, "`activations` has 0 layers; use 1 to 8."),
        ({"activations": ("swish",)}, "`activations` has 'swish'; use one of identity,"),
        ({"activations": (["tanh"],)}, "`activations` has ['tanh']; use one of"),
        (
            {"widths": (1, 1, 1), "activations": ("softmax", "identity")},
            "`activations` has softmax",
        ),
        ({"loss": "cross_entropy"}, "`loss` 'cross_entropy' needs the output activation 'softmax'"),
        ({"loss": None}, "`loss` has None; use one of"),
        ({"n": 0}, "`n` is 0; use a batch of 1 to 128 rows."),
        ({"n": 2.0}, "`n` is 2.0; use a batch"),
        ({"seed": -1}, "`seed` is -1; use a whole number"),
        ({"seed": 2**32}, "`seed` is 4294967296; use a whole number"),
        ({"scale": 9}, "`scale` is 9; use -12 to 8."),
        ({"scale": True}, "`scale` is True; use -12 to 8."),
        ({"scale": 0.0}, "`scale` is 0.0; use -12 to 8."),
        ({"alpha": "1"}, "`alpha` is '1'; use a positive number"),
        ({"alpha": None}, "`alpha` is None; use a positive number"),
        ({"alpha": float("nan")}, "`alpha` is nan; use a positive number"),
        ({"alpha": 10**400}, "`alpha` is 1000"),
        ({"alpha": 1e-320}, "`alpha` is 1e-320; use a positive number that is a float64."),
        ({"alpha": 1e-40, "dtype": "float32"}, "`alpha` is 1e-40; use a positive number that is a"),
        ({"alpha": 1e39, "dtype": "float32"}, "`alpha` is 1e+39; use a positive number that is a"),
        ({"slope": None}, "`slope` is None; use a slope from 0 to 1."),
        ({"slope": 1.5}, "`slope` is 1.5; use a slope from 0 to 1."),
        ({"dtype": np.float64}, "`dtype` has <class 'numpy.float64'>; use one of"),
        ({"regime": "real"}, "`regime` 'real' was got without arrays"),
        ({"given": 5}, "`given` is a int; give `Arrays` or None."),
    ],
)
def test_a_case_that_cannot_exist_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        replace(ONE, **changes)
    assert str(caught.value).startswith(message)


ARRAYS: dict[str, Any] = {
    "weights": (np.ones((1, 1)),),
    "biases": (np.ones(1),),
    "X": np.ones((1, 1)),
    "Y": np.ones((1, 1)),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": [[1.0]]}, "`X` is a list; give a NumPy array."),
        (
            {"X": np.ones((2, 1))},
            "`X` has shape (2, 1) and dtype float64; give (1, 1) and float64.",
        ),
        ({"X": np.ones((1, 1), np.float32)}, "`X` has shape (1, 1) and dtype float32"),
        ({"X": np.full((1, 1), np.nan)}, "`X` has a NaN or an infinity"),
        ({"Y": np.full((1, 1), -np.inf)}, "`Y` has a NaN or an infinity"),
        ({"X": np.full((1, 1), -5e-324)}, "`X` has a subnormal number"),
        ({"weights": None}, "`weights` is a NoneType; give a tuple."),
        ({"weights": ()}, "`weights` and `biases` have 0 and 1 arrays; give 1 each"),
        ({"weights": (np.ones((1, 2)),)}, "`weights[0]` has shape (1, 2)"),
        ({"biases": (None,)}, "`biases[0]` does not fit `bias` 'separate'."),
        ({"biases": (np.ones((1, 1)),)}, "`biases[0]` has shape (1, 1)"),
    ],
)
def test_given_arrays_that_do_not_fit_are_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        replace(ONE, given=Arrays(**(ARRAYS | changes)))
    assert str(caught.value).startswith(message)


# The order of the parameters.


@given(cases())
def test_flat_follows_the_slots(case: Case) -> None:
    slots, vector = slots_of(case), flat(case.arrays.weights, case.arrays.biases)
    assert slots[0].start == 0
    assert slots[-1].stop == len(vector)
    assert all(a.stop == b.start for a, b in itertools.pairwise(slots))
    Ws, bs = per_layer(case, vector)
    for slot in slots:
        array = (case.arrays.weights if slot.letter == "W" else case.arrays.biases)[slot.layer - 1]
        back = (Ws if slot.letter == "W" else bs)[slot.layer - 1]
        assert array is not None
        assert back is not None
        assert array.shape == slot.shape == back.shape
        assert (array == back).all()
