"""A program from call to call: what it refuses only when asked, and what it may remember."""

from pathlib import Path

import pytest

from backproof.case import Case
from backproof.gradients import Failure
from backproof.target import Target
from property_tests.harness.hostile import (
    QUICK,
    answered,
    assert_goes_on,
    failed,
    hostile,
    line_of,
)
from property_tests.planted import EXAMPLE

# --- what is not claimed after all ------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("NotImplementedError", "NotImplementedError at my_net.py line "),
        ("NotImplementedError('')", "NotImplementedError at my_net.py line "),
        (
            "NotImplementedError('at most 3 layers')",
            "NotImplementedError: at most 3 layers at my_n",
        ),
        ("NotImplementedError(loss)", "NotImplementedError: half_squared_error at my_net.py line "),
        ("NotImplementedError(X, None)", "NotImplementedError: (array("),
        ("Later", "Later: (it cannot say what is wrong) at my_net.py line "),
    ],
)
def test_a_case_refused_after_probing_is_skipped_whatever_the_text(
    tmp_path: Path, raised: str, message: str
) -> None:
    top = "class Later(NotImplementedError):\n    def __str__(self):\n        return 1 / 0"
    with hostile(tmp_path, f"raise {raised}", top=top) as target:
        assert "sigmoid" in target.claims.hidden
        failure = failed(target)
        assert failure.status == "skipped"
        assert failure.message.startswith(message)
        assert_goes_on(target)


def test_what_merely_sounds_like_a_refusal_is_an_error(tmp_path: Path) -> None:
    with hostile(tmp_path, "raise RuntimeError('NotImplementedError')") as target:
        assert failed(target).status == "error"


AT_MOST_3_LAYERS = """
whole = backprop

def backprop(weights, biases, X, Y, activations, loss):
    if len(weights) > 3:
        raise NotImplementedError("too deep")
    return whole(weights, biases, X, Y, activations, loss)
"""


def test_a_fourth_layer_that_is_not_implemented_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(EXAMPLE.read_text() + AT_MOST_3_LAYERS)
    shallow, deep = (Case((2,) * (depth + 1), ("tanh",) * depth) for depth in (3, 4))
    with Target(str(path), QUICK) as target:
        answered(target, shallow)
        said = f"NotImplementedError: too deep at {line_of(tmp_path, 'too deep')}"
        assert failed(target, deep) == Failure("skipped", said)
        answered(target, shallow)


# --- a fresh process --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count",
    [
        "calls.append(1)\nraise RuntimeError(len(calls))",
        "open('calls', 'a').write('x')\nraise RuntimeError(len(open('calls').read()))",
    ],
    ids=["in a variable", "in a file of its folder"],
)
def test_forgetting_ends_the_memory_of_earlier_calls(tmp_path: Path, count: str) -> None:
    with hostile(tmp_path, count, top="calls = []") as target:

        def calls() -> str:
            return failed(target).message.split()[1]

        first = [calls() for _ in range(3)]
        target.forget()
        assert [*first, calls(), calls()] == ["1", "2", "3", "1", "2"]
        target.forget()
        target.forget()  # nothing is there to be forgotten any more
        assert_goes_on(target)
        assert calls() == "1"
