"""Mistakes of order, of the update and of state: each breaks the rung named for it, and says so."""

from pathlib import Path

import pytest

from backproof.checked import Checked
from backproof.settings import Settings
from property_tests.check_run import Request, check
from property_tests.planted_functions import OF_FUNCTION, write_function
from property_tests.planted_models import CONVENTIONS, OF_ONE_MODEL
from property_tests.planted_steps import (
    OF_CLASS,
    Misstep,
    write_class,
)


def checked_class(folder: Path, misstep: Misstep) -> Checked:
    return check(Request(str(write_class(folder, misstep.changes))))[0]


def breaks_as_planned(checked: Checked, misstep: Misstep) -> None:
    first = checked.first_broken
    assert first is not None
    assert (first.check.id, checked.exit_code) == (misstep.first, 1)
    assert misstep.said in first.message
    assert first.case is not None
    assert first.case.token


@pytest.mark.parametrize("name", OF_CLASS)
def test_a_class_that_trains_in_place(tmp_path: Path, name: str) -> None:
    breaks_as_planned(checked_class(tmp_path, OF_CLASS[name]), OF_CLASS[name])


@pytest.mark.parametrize("name", OF_FUNCTION)
def test_a_function_with_a_learning_rate(tmp_path: Path, name: str) -> None:
    misstep = OF_FUNCTION[name]
    target = write_function(tmp_path, misstep.changes)
    checked, _ = check(Request(str(target)))
    breaks_as_planned(checked, misstep)
    assert checked.adapted == ""  # `alpha` without a default is on the contract


@pytest.mark.parametrize("name", OF_ONE_MODEL)
def test_what_one_model_keeps_between_its_steps(tmp_path: Path, name: str) -> None:
    checked = checked_class(tmp_path, OF_ONE_MODEL[name])
    breaks_as_planned(checked, OF_ONE_MODEL[name])
    assert [result.check.id for result in checked.results if checked.fails(result)] == [
        "training.steps"
    ]
    assert checked.first_broken is not None
    assert "in step 2, from where its own steps led" in checked.first_broken.message


@pytest.mark.parametrize("name", CONVENTIONS)
def test_what_one_model_may_keep_is_named_as_a_convention(tmp_path: Path, name: str) -> None:
    key, said, changes = CONVENTIONS[name]
    checked, _ = check(Request(str(write_class(tmp_path, changes))))
    assert checked.exit_code == 0
    assert checked.conventions[key] == said
    assert statuses(checked)["training.steps"] == "pass"


@pytest.mark.parametrize("write", [write_class, write_function])
def test_both_are_right_as_they_stand(tmp_path: Path, write: object) -> None:
    assert callable(write)
    checked, climb = check(Request(str(write(tmp_path))))
    assert checked.exit_code == 0
    assert climb.owed == {}


# Where the program does not run on balls, the rate next to nothing is one of floats.

IN_FLOATS = (
    (
        "import numpy as np\n",
        "from math import exp\n\nimport numpy as np\n\nexps = np.vectorize(exp)\n",
    ),
    ("1 / (1 + np.exp(-Z))", "1 / (1 + exps(-Z))"),
)
TANH_IN_FLOATS = (
    (
        "import numpy as np\n",
        "from math import tanh\n\nimport numpy as np\n\ntanhs = np.vectorize(tanh)\n",
    ),
    ("np.tanh(Z)", "tanhs(Z)"),
)
IN_SINGLE = (
    ("self.Ws = [np.random.randn(k, j)", "self.Ws = [np.random.randn(k, j).astype(np.float32)"),
    ("self.bs = [np.random.randn(j)", "self.bs = [np.random.randn(j).astype(np.float32)"),
)


@pytest.mark.parametrize("more", [IN_FLOATS, IN_SINGLE], ids=["float64", "float32"])
def test_a_class_that_runs_on_floats_alone(
    tmp_path: Path, more: tuple[tuple[str, str], ...]
) -> None:
    misstep = OF_CLASS["moved during the pass"]
    checked, climb = check(Request(str(write_class(tmp_path, (*misstep.changes, *more)))))
    assert climb.trial.not_exactly
    breaks_as_planned(checked, misstep)


def test_a_function_that_runs_on_floats_alone(tmp_path: Path) -> None:
    misstep = OF_FUNCTION["moved during the pass"]
    target = write_function(tmp_path, (*misstep.changes, *TANH_IN_FLOATS))
    checked, climb = check(Request(str(target)))
    assert climb.trial.not_exactly
    breaks_as_planned(checked, misstep)


# What is passed below because of its order has to fail there.

IN_TWO_LAYERS = (
    (
        "            delta = delta @",
        "            if len(self.Ws) == 2:\n"
        "                self.Ws[l] -= self.lr * found[-1][1]\n"
        "            delta = delta @",
    ),
    (
        "            self.Ws[l] -= self.lr * dW\n",
        "            if len(self.Ws) != 2:\n                self.Ws[l] -= self.lr * dW\n",
    ),
)


def statuses(checked: Checked) -> dict[str, str]:
    return {result.check.id: result.status for result in checked.results}


def test_nets_that_the_order_does_not_ask_about_count_there(tmp_path: Path) -> None:
    checked, climb = check(Request(str(write_class(tmp_path, IN_TWO_LAYERS))))
    found = statuses(checked)
    assert (found["activation.sigmoid"], found["depth.3"]) == ("pass", "pass")
    assert {case.case.depth for case in climb.owed["update.order"]} == {2}
    assert found["update.order"] == "fail"
    assert found["update.large"] == "blocked"
    assert checked.exit_code == 1


def test_they_count_although_a_rung_below_is_broken_and_expected_to_be(tmp_path: Path) -> None:
    wrong_deep = ("delta, found = (O - Y)", "delta, found = (1 + (len(self.Ws) == 3)) * (O - Y)")
    settings = Settings(expected={"depth.3": "later"})
    target = str(write_class(tmp_path, (*IN_TWO_LAYERS, wrong_deep)))
    checked, _ = check(Request(target, settings=settings))
    found = statuses(checked)
    assert (found["depth.3"], found["update.large"]) == ("xfail", "blocked")
    assert (found["update.order"], checked.exit_code) == ("fail", 1)


@pytest.mark.parametrize("number", ["np.inf", "np.nan", "1e300"])
def test_a_step_without_numbers_is_no_trouble_of_ours(tmp_path: Path, number: str) -> None:
    """From the second step on, so that nothing else is broken."""
    lost = ("        for l, dW, db in self.gradients(X, Y):\n",
            "        self.last = (self.last or 0) + 1\n"
            "        for l, dW, db in self.gradients(X, Y):\n"
            f"            dW = dW * ({number} if self.last == 2 else 1)\n")  # fmt: skip
    checked, _ = check(Request(str(write_class(tmp_path, (lost,)))))
    first = checked.first_broken
    assert first is not None
    assert first.check.id == "training.steps"
    assert "in step 2" in first.message
