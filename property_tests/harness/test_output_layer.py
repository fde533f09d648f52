"""A mistake at the output is told from one of the hidden activation, where a net has both alike.

The class has sigmoids in all its layers and one loss, so every net that asks about the hidden
sigmoid has an output of sigmoids as well.
"""

from pathlib import Path

import pytest

from property_tests.check_run import Request, check
from property_tests.planted_steps import write_class
from property_tests.trying import CLOSE, LOST, TOO_EARLY

DELTA, HIDDEN = "(O - Y) * O * (1 - O), []", "self.Ws[l].T * O * (1 - O)"
LOSS, SIGMOID = "loss.half_squared_error.sigmoid", "activation.sigmoid"

# The mistake, the first rung that breaks, and the layer of the array that is marked in a net of 2.
MISTAKES = {
    "no g' at the output": (((DELTA, "O - Y, []"),), LOSS, 2),
    "g' at the output twice": (((DELTA, "(O - Y) * (O * (1 - O)) ** 2, []"),), LOSS, 2),
    "another loss": (((DELTA, "(O - Y) ** 3 * O * (1 - O), []"),), LOSS, 2),
    "no g' below": (((HIDDEN, "self.Ws[l].T"),), SIGMOID, 1),
    "g' is 1 - O in all layers": (
        ((DELTA, "(O - Y) * (1 - O), []"), (HIDDEN, "self.Ws[l].T * (1 - O)")),
        SIGMOID,
        2,
    ),
    "g is another": (
        (("            self.Os.append(sigmoid(", "            self.Os.append(np.tanh("),),
        SIGMOID,
        2,
    ),
    "the output and what is handed down": (
        ((DELTA, "(O - Y), []"), (HIDDEN, "self.Ws[l].T * O")),
        SIGMOID,
        2,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_wrong_first_on_the_way_back_decides_the_rung(tmp_path: Path, name: str) -> None:
    changes, id, layer = MISTAKES[name]
    checked, _ = check(Request(str(write_class(tmp_path, changes))))
    first = checked.first_broken
    assert first is not None
    assert first.check.id == id
    # What is marked is of the layer nearest to the output that is off.
    assert first.worst is not None
    assert first.case is not None
    off = [p.layer for p in first.parameters if p.norm_difference > CLOSE["float64"] * p.norm_b]
    assert first.worst.layer == max(off) == layer
    statuses = {result.check.id: result for result in checked.results}
    if id == LOSS:
        sigmoid = statuses[SIGMOID]
        assert (sigmoid.status, sigmoid.message) == ("blocked", f"it stands on {LOSS}")


def test_below_it_a_rounding_at_the_output_is_not_marked(tmp_path: Path) -> None:
    """It is off by less than what is called close: the mistake is in the layer below."""
    changes = ((DELTA, "(O - Y) * O * (1 - O) * (1 + 1e-9), []"), (HIDDEN, "self.Ws[l].T"))
    checked, _ = check(Request(str(write_class(tmp_path, changes))))
    first = checked.first_broken
    assert first is not None
    assert first.worst is not None
    assert (first.check.id, first.worst.layer) == (SIGMOID, 1)
    top = [p for p in first.parameters if p.layer == 2]
    assert {p.verdict for p in top} == {"wrong"}


def test_numbers_that_are_lost_say_nothing_of_the_order(tmp_path: Path) -> None:
    """The formula is right at every rate, so a rate next to nothing tells nothing."""
    changes = ((DELTA, "((O - Y) + 1e12 - 1e12) * O * (1 - O), []"),)
    checked, climb = check(Request(str(write_class(tmp_path, changes))))
    first = checked.first_broken
    assert first is not None
    assert first.check.id == LOSS
    assert LOST in first.message
    assert TOO_EARLY not in first.message
    assert [*climb.owed] == [LOSS]
