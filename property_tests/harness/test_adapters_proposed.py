"""Where there is no adapter one is inferred: the right one, for right programs and wrong ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from backproof.conventions import Factor, Factors
from backproof.errors import TargetError
from backproof.gradients import Failure
from backproof.target import Target
from property_tests.check_run import Request, check
from property_tests.harness.net_styles import STYLES
from property_tests.harness.net_styles_too import Style
from property_tests.harness.test_adapters import case_of
from property_tests.nets import Nets
from property_tests.trying import Trial

# What is not inferred, and why: nothing in the file says how it is to be called.
NOT_INFERRED = {
    "lists of lists, the bias as the last column for an input of -1": "what makes the lists",
    "numbers with a name each": "which number stands where",
    "a flat theta for an optimiser, the bias as the first column": "what theta holds",
    "recursion, layer by layer": "that a layer is a pair",
    "scalar autograd": "which layers make a net",
}
INFERRED = [style for style in STYLES if style.name not in NOT_INFERRED]


@pytest.mark.parametrize("style", INFERRED, ids=[style.name for style in INFERRED])
def test_right_code_passes_and_a_mistake_fails_without_an_adapter(
    tmp_path: Path, style: Style
) -> None:
    path = tmp_path / "net.py"
    path.write_text(style.program)
    factor, case = Factor(**style.factor), case_of(style)
    with Target(str(path)) as target:
        assert target.proposed.startswith("from backproof.adapters import Adapter")
        assert target.adapted.startswith("through an adapter that was inferred: ")
        assert target.smoke() == []
        fitting = replace(case, n=min(case.n, target.claims.max_rows))
        found = Trial(target, Factors(factor)).of(fitting)
        assert found.status == "pass", (found.message, target.proposed)
    target_lines = _but_claims(target.proposed)
    (tmp_path / "net_adapter.py").write_text(target.proposed)  # what `init --from` writes
    with Target(str(path)) as target:
        assert target.proposed == ""
        assert Trial(target, Factors(factor)).of(fitting).status == "pass"
    (tmp_path / "net_adapter.py").unlink()
    path.write_text(style.program.replace(*style.mistake))
    with Target(str(path)) as target:
        assert _but_claims(target.proposed) == target_lines
        mine = Nets(target.claims, moves=target.moves).net(7)
        assert mine is not None
        assert Trial(target, Factors(factor)).of(mine).status == "fail", target.proposed


def _but_claims(adapter: str) -> list[str]:
    """The lines of an adapter but for the names of its activations and its loss."""
    return [line for line in adapter.splitlines() if "hidden, output, loss" not in line]


@pytest.mark.parametrize("name", NOT_INFERRED)
def test_what_cannot_be_inferred_is_said_and_not_guessed(tmp_path: Path, name: str) -> None:
    (style,) = (each for each in STYLES if each.name == name)
    path = tmp_path / "net.py"
    path.write_text(style.program)
    with pytest.raises(TargetError, match="no adapter was found that fits what it has"):
        Target(str(path))


def test_an_adapter_that_was_inferred_is_held_when_the_process_dies(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    deadly = "        if X.shape[0] == 5:\n            import os; os._exit(1)\n        h = sig"
    path.write_text(STYLES[0].program.replace("        h = sig", deadly))
    case = case_of(STYLES[0])
    with Target(str(path)) as target:
        answer = target.gradients(replace(case, n=5))
        assert isinstance(answer, Failure)
        assert answer.status == "crashed"
        assert Trial(target).of(case).status == "pass"


LOOPS_FOR_EVER = """\
import numpy as np

class Net:
    def __init__(self, inputs, hidden, outputs):
        self.W1, self.W2 = np.ones((inputs, hidden)), np.ones((hidden, outputs))

    def train(self, X, Y):
        while True:
            self.W1 = self.W1 * 0.5
"""


def test_code_that_never_ends_does_not_hold_the_search(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(LOOPS_FOR_EVER)
    with pytest.raises(TargetError, match="no adapter was found that fits"):
        Target(str(path))


FUNCTION = """\
import numpy as np
def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))
def backprop({parameters}):
    {forward}
    O_1 = sigmoid(X @ W1 + b1)
    O_2 = sigmoid(O_1 @ W2 + b2)
    delta_2 = (O_2 - Y) * O_2 * (1 - O_2)
    delta_1 = delta_2 @ W2.T * O_1 * (1 - O_1)
    return {returned}
"""
_LISTED = "(W1, W2), (b1, b2) = weights, biases"
_AS_LISTS = "[X.T @ delta_1, O_1.T @ delta_2], [delta_1.sum(axis=0), delta_2.sum(axis=0)]"
_IN_TURN = "X.T @ delta_1, delta_1.sum(axis=0), O_1.T @ delta_2, delta_2.sum(axis=0)"


@pytest.mark.parametrize(
    ("parameters", "forward", "returned"),
    [
        ("weights, biases, X, Y", _LISTED, _AS_LISTS),
        ("X, Y, weights, biases", _LISTED, _AS_LISTS),
        ("X, Y, W1, b1, W2, b2", "", _IN_TURN),  # as many as the contract has, and others
    ],
)
@pytest.mark.parametrize("name", ["backprop", "gradients"])
def test_a_backprop_with_other_parameters_is_called_with_its_own(
    tmp_path: Path, name: str, parameters: str, forward: str, returned: str
) -> None:
    path = tmp_path / "net.py"
    text = FUNCTION.format(parameters=parameters, forward=forward, returned=returned)
    path.write_text(text.replace("def backprop", f"def {name}"))
    for slip, status in (("", "pass"), (" * 2", "fail")):
        path.write_text(path.read_text().replace("* (1 - O_1)\n", f"* (1 - O_1){slip}\n"))
        with Target(str(path)) as target:
            assert target.adapted.startswith("through an adapter that was inferred: ")
            assert target.claims.combinations == (("sigmoid", "half_squared_error"),)
            case = Nets(target.claims).net(7)
            assert case is not None
            assert Trial(target).of(case).status == status


@pytest.mark.parametrize(
    "parameters",
    ["weights, biases, X, Y, activations, loss", "w, b, x, y, acts, l, lr=0.1", "*arguments"],
)
def test_what_may_be_on_the_contract_is_asked_so(tmp_path: Path, parameters: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(f"def backprop({parameters}):\n    return None\n")
    with Target(str(path)) as target:
        assert target.adapted == ""


FUNCTIONS = """\
def forward(X, W1, b1, W2, b2):
    H = np.tanh(X @ W1 + b1)
    return H @ W2 + b2, H

def backward(X, Y, cache, out, W2):
    d2 = out - Y
    d1 = d2 @ W2.T * (1 - cache**2)
    return X.T @ d1, d1.sum(0), cache.T @ d2, d2.sum(0)
"""
_PLAIN = "import numpy as np\n\n" + FUNCTIONS
_CLAIMED = '    hidden, output, loss = "tanh", "identity", "half_squared_error"'


@pytest.mark.parametrize("mistake", ["", " * (1 - cache)", " * (1 - cache**2) / 2"])
def test_where_the_output_is_right_it_is_known_whatever_is_wrong_below(
    tmp_path: Path, mistake: str
) -> None:
    path = tmp_path / "net.py"
    path.write_text(_PLAIN.replace(" * (1 - cache**2)", mistake))
    checked, _ = check(Request(str(path)))
    with Target(str(path)) as target:
        assert _CLAIMED in target.proposed.splitlines()
    first = checked.first_broken
    assert first is not None
    assert first.check.id == "activation.tanh"
    assert "_1[" in first.message
    assert "the output layer is wrong already" not in first.message
