"""What an implementation claims, what is inferred, and what it is passed by name."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import backproof
from backproof.case import Case
from backproof.checked import CheckResult
from backproof.claims import inferred_reduction
from backproof.gradients import Failure, Gradients
from backproof.target import Target
from property_tests.checking import Climb
from property_tests.harness.hostile import CASE, QUICK, answered, failed, hostile
from property_tests.planted import EXAMPLE


def test_the_example_claims_all_that_it_has_and_nothing_else() -> None:
    with Target(str(EXAMPLE)) as target:
        claims = target.claims
        assert target.name == "my_net"
        assert target.takes == ("reduction", "slope")
        assert target.conventions == {}
    assert set(backproof.names.ACTIVATIONS) - set(claims.activations) == {"gelu"}
    assert claims.losses == backproof.names.LOSSES
    assert claims.reductions == ("sum", "mean")
    assert claims.biases == ("separate", "none")
    assert claims.dtypes == ("float64", "float32")
    assert claims.slopes == (1 / 64, 1 / 4)


def test_names_that_are_refused_are_skipped_with_the_reason(tmp_path: Path) -> None:
    with hostile(tmp_path, "pass") as target:
        assert target.claims.activations == ("identity", "sigmoid", "tanh")
        assert target.claims.hidden == ("sigmoid", "tanh")
        assert target.claims.losses == ("half_squared_error",)
        assert failed(target, replace(CASE, activations=("relu", "identity"))) == Failure(
            "skipped", "my_net: relu in a hidden layer is not claimed"
        )
        assert failed(target, replace(CASE, loss="mean_squared_error")) == Failure(
            "skipped", "my_net: mean_squared_error with identity at the output is not claimed"
        )
        said = "my_net: `bias` 'augmented' is not claimed"
        assert failed(target, replace(CASE, bias="augmented")) == Failure("skipped", said)
        assert target.claims.depths == (2,)
        single = Case((3, 4), ("identity",), n=5)
        assert failed(target, single) == Failure(
            "skipped", "my_net: a network of 1 layers is not claimed"
        )


@pytest.mark.parametrize(
    ("refusal", "claimed"),
    [
        ("raise KeyError(name)", False),
        ("raise ValueError(f'{name} is unknown here')", False),
        ("raise NotImplementedError", False),
        ("raise ValueError('no such thing')", True),  # says nothing of a name: an error
        ("raise TypeError(name)", True),
        ("raise ValueError('leaky_' + name)", True),  # part of another name
    ],
)
def test_only_a_refusal_that_carries_the_name_makes_the_claim_smaller(
    tmp_path: Path, refusal: str, claimed: bool
) -> None:
    path = tmp_path / "net.py"
    head = "def backprop(weights, biases, X, Y, activations, loss):\n    for name in activations:\n"
    tail = f"        if name == 'relu':\n            {refusal}\n    return weights, biases\n"
    path.write_text(head + tail)
    with Target(str(path)) as target:
        assert ("relu" in target.claims.activations) is claimed
        reduction = target.claims.reductions[0]
        failure = failed(target, Case((3, 2), ("relu",), reduction=reduction, n=2))
        assert failure.status == ("error" if claimed else "skipped")


def test_an_endless_loop_in_the_probes_does_not_take_minutes(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("def backprop(*arguments):\n    while True: pass\n")
    began = time.monotonic()
    with Target(str(path), QUICK) as target:
        assert target.claims.activations == backproof.names.ACTIVATIONS
        assert "the probe got no answer (no answer within 2 s" in target.conventions["reduction"]
        assert failed(target, CASE).status == "timeout"
    assert time.monotonic() - began < 120  # asked about every name, it would take ten minutes


def test_names_that_probing_did_not_get_to_are_refused_later_without_harm(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import os\ndef backprop(weights, biases, X, Y, activations, loss):\n"
        "    if 'sigmoid' in activations or 'tanh' in activations or 'relu' in activations:\n"
        "        os._exit(1)\n"
        "    if 'gelu' in activations:\n"
        "        raise KeyError('gelu')\n"
        "    return [W * len(X) for W in weights], biases\n"
    )
    with Target(str(path), QUICK) as target:
        assert "gelu" in target.claims.activations
        assert target.claims.reductions == ("sum",)
        answer = failed(target, Case((3, 2), ("gelu",), n=2))
        assert answer == Failure("skipped", "KeyError: 'gelu' at net.py line 6")


REDUCED = """\
def backprop(weights, biases, X, Y, activations, loss):
    delta = X @ weights[-1] + biases[-1] - Y if len(weights) == 1 else X @ weights[0] @ weights[1]
    if activations != ["identity"]:
        raise NotImplementedError
    delta = {delta}
    return [X.T @ delta], [delta.sum(axis=0)]
"""


@pytest.mark.parametrize(
    ("delta", "reduction", "words"),
    [
        ("delta", "sum", "sum: with every row twice the gradient is 2 times"),
        ("delta / len(X)", "mean", "mean: with every row twice the gradient is 1 times"),
        ("7 * delta / len(X)", "mean", "mean: with every row twice the gradient is 1 times"),
        ("delta / len(X) ** 2", "sum", "taken as sum: with every row twice the gradient is 0.5 t"),
        ("delta * 0", "sum", "taken as sum: with every row twice the gradient is nan times"),
    ],
)
def test_the_reduction_is_read_off_where_it_cannot_be_asked_for(
    tmp_path: Path, delta: str, reduction: str, words: str
) -> None:
    path = tmp_path / "net.py"
    path.write_text(REDUCED.format(delta=delta))
    with Target(str(path)) as target:
        assert target.claims.reductions == (reduction,)
        assert target.conventions["reduction"].startswith(words)
        assert "slope" not in target.conventions  # without leaky_relu there is nothing to say
        assert target.claims.slopes == (1 / 64,)


def test_a_reduction_is_not_read_off_noise() -> None:
    once = np.array([1.0, 2.0])
    assert inferred_reduction(once, 2 * once)[0] == "sum"
    assert inferred_reduction(once, once)[0] == "mean"
    assert inferred_reduction(once, 1.01 * once)[0] == "sum"


def test_case_fields_are_passed_to_who_asks_for_them_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "def backprop(W, b, X, Y, g, loss, lr, *, reduction, slope=0.01, dtype=None, bias=True,\n"
        "             **kwargs):\n"
        "    assert bias is True and not kwargs, (bias, kwargs)\n"
        "    if len(X) == 5:\n"
        "        raise RuntimeError(f'{lr} {reduction} {slope} {dtype}')\n"
        "    return W, b\n"
    )
    with Target(str(path)) as target:
        assert target.takes == ("lr", "reduction", "slope", "dtype")
        assert target.claims.biases == ("separate", "none")  # its `bias` is another word
        case = replace(CASE, alpha=0.125, reduction="mean", slope=1 / 4)
        assert failed(target, case).message.startswith("RuntimeError: 0.125 mean 0.25 float64 at")


def test_a_learning_rate_in_the_signature_makes_the_answer_a_step(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    source = EXAMPLE.read_text().replace('loss, reduction="sum"', 'loss, alpha, reduction="sum"')
    end = "    return [-alpha * d for d in dW], [-alpha * d for d in db]"
    path.write_text(source.replace("    return dW, db", end))
    case = replace(CASE, alpha=0.1)
    with Target(str(path)) as stepping, Target(str(EXAMPLE)) as plain:
        answer = stepping.gradients(case)
        assert isinstance(answer, Gradients)
        assert answer.gradient is None
        assert stepping.step_form == "direct"
        np.testing.assert_array_equal(answer.step, -0.1 * answered(plain, case))


WITH_BIASES = """\
import numpy as np
def backprop(weights, biases, X, Y, activations, loss):
    if activations != ["identity"] or loss != "half_squared_error":
        raise NotImplementedError
    {forward}
    return [X.T @ delta], [delta.sum(axis=0)]
"""


@pytest.mark.parametrize(
    ("forward", "claimed"),
    [
        ("delta = X @ weights[0] + biases[0] - Y", False),
        ("delta = X @ weights[0] + biases[0].reshape(1, -1) - Y", False),
        ("delta = np.c_[np.ones(len(X)), X] @ np.vstack([biases[0], weights[0]]) - Y", False),
        ("delta = X @ weights[0] + (0 if biases[0] is None else biases[0]) - Y", True),
        ("delta = X @ weights[0] + (nothing if biases[0] is None else biases[0]) - Y", True),
        ("delta = X @ weights[0] + (np.ones(9) if biases[0] is None else biases[0]) - Y", True),
    ],
)
def test_who_adds_b_without_a_thought_of_none_has_networks_with_biases(
    tmp_path: Path, forward: str, claimed: bool
) -> None:
    path = tmp_path / "net.py"
    path.write_text(WITH_BIASES.format(forward=forward))
    with Target(str(path)) as target:
        assert target.claims.biases == (("separate", "none") if claimed else ("separate",))
        assert ("bias" in target.conventions) is not claimed
        if not claimed:
            said = target.conventions["bias"]
            assert said.startswith("it has networks with biases alone (")
            assert said.endswith("net.py line 5)")


LEAKY = """\
import numpy as np
def backprop(weights, biases, X, Y, activations, loss{more}):
    if loss != "{loss}" or set(activations[:-1]) - {{"leaky_relu"}}:
        raise NotImplementedError
    if activations[-1] != "{output}":
        raise NotImplementedError
    O = [X]
    for W, b in zip(weights[:-1], biases):
        Z = O[-1] @ W + b
        O.append(np.where(Z > 0, Z, {slope} * Z))
    Z = O[-1] @ weights[-1] + biases[-1]
    delta = (Z if "{output}" == "identity" else 1 / (1 + np.exp(-Z))) - Y
    dW, db = [], []
    for l in reversed(range(len(weights))):
        dW.insert(0, O[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        delta = delta @ weights[l].T * np.where(O[l] > 0, 1, {backward})
    return dW, db
"""
_SQUARED = {"loss": "half_squared_error", "output": "identity", "more": ""}
_LOGISTIC = {"loss": "binary_cross_entropy", "output": "sigmoid", "more": ""}


@pytest.mark.parametrize(
    ("fields", "slope", "seen"),
    [
        (_SQUARED, "0.01", 0.01),
        (_SQUARED, "0.3", 0.3),
        (_LOGISTIC, "0.2", 0.2),
        (_SQUARED, "1 / 64", 1 / 64),
        (_SQUARED | {"more": ", slope=0.01"}, "slope", None),  # it takes ours
        (_SQUARED, "0.137", 1 / 64),  # none that people write: ours, and so it is wrong
    ],
)
def test_a_slope_is_read_off_where_it_cannot_be_given(
    tmp_path: Path, fields: dict[str, str], slope: str, seen: float | None
) -> None:
    path = tmp_path / "net.py"
    path.write_text(LEAKY.format(slope=slope, backward=slope, **fields))
    with Target(str(path)) as target:
        if seen is None:
            assert target.claims.slopes == backproof.names.SLOPES
            assert "slope" not in target.conventions
            return
        assert target.claims.slopes == (seen,)
        assert target.conventions["slope"].startswith("1/64" if seen == 1 / 64 else f"{seen:g} in")


def climbed(folder: Path, backward: str) -> dict[str, CheckResult]:
    """What is found of a net with a slope of 0.01 forward and another one backward."""
    path = folder / "net.py"
    path.write_text(LEAKY.format(slope="0.01", backward=backward, **_SQUARED))
    with Target(str(path)) as target:
        return {result.check.id: result for result in Climb(target).results()}


@pytest.mark.parametrize(("backward", "status"), [("0.01", "pass"), ("0.02", "fail")])
def test_a_derivative_is_held_to_the_slope_of_its_own_forward_pass(
    tmp_path: Path, backward: str, status: str
) -> None:
    assert climbed(tmp_path, backward)["activation.leaky_relu"].status == status


@pytest.mark.parametrize(("backward", "status"), [("0.01", "pass"), ("0.010000001", "close")])
def test_a_slope_that_is_no_float32_is_right_in_single_precision_as_it_is_written(
    tmp_path: Path, backward: str, status: str
) -> None:
    single = climbed(tmp_path, backward)["extremes.float32"]
    assert (single.status, single.judged_by) == (status, "exact arithmetic")


@pytest.mark.parametrize(("factor", "said"), [("1 + 1.5e-7", False), ("1.5", True)])
def test_an_output_that_is_off_by_next_to_nothing_is_no_hint(
    tmp_path: Path, factor: str, said: bool
) -> None:
    text = LEAKY.format(slope="0.01", backward="0.02", **_SQUARED)
    path = tmp_path / "net.py"
    # Beyond one layer alone: the rungs below the activation's have to pass.
    own = "delta[:, -1] *= 1 if len(weights) == 1 or len(X) == 1 else "
    path.write_text(text.replace("    dW, db = [], []", f"    {own}{factor}\n    dW, db = [], []"))
    with Target(str(path)) as target:
        results = {result.check.id: result for result in Climb(target).results()}
    broken = results["activation.leaky_relu"]
    assert broken.status == "fail"
    assert ("the output layer is wrong already" in broken.message) is said


def test_who_refuses_a_question_does_not_claim_it(tmp_path: Path) -> None:
    text = LEAKY.format(slope="0.01", backward="0.01", **_SQUARED)
    path = tmp_path / "net.py"
    refuses = "    if len(X) == 4:\n        raise NotImplementedError\n    O = [X]"
    path.write_text(text.replace("    O = [X]", refuses))
    with Target(str(path)) as target:
        results = {result.check.id: result for result in Climb(target).results()}
    refused = results["scale.rows"]
    assert (refused.status, refused.unclaimed) == ("skipped", True)  # no points are given for it
