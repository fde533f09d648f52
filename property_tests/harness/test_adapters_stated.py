"""A program that changes X or Y is judged at what its adapter states: nothing hides there."""

from pathlib import Path

import pytest

from backproof.cli import main
from backproof.conventions import Factor
from backproof.target import Target
from backproof.tokens import token_of
from property_tests import follow_through
from property_tests.check_run import Request, check
from property_tests.checking import Climb
from property_tests.harness.test_check import named

PROGRAM = """\
import numpy as np


def prepared(X):
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8)


class Net:
    def __init__(self, k_0, k_1, k_2):
        self.V, self.c = np.zeros((k_0, k_1)), np.zeros(k_1)
        self.W, self.b = np.zeros((k_1, k_2)), np.zeros(k_2)

    def look(self, X):
        self.X = prepared(X)
        self.H = np.tanh(self.X @ self.V + self.c)
        self.O = self.H @ self.W + self.b

    def learn(self, X, Y, rate):
        self.look(X)
        d_2 = self.O - Y
        d_1 = d_2 @ self.W.T * (1 - self.H**2)
        self.W -= rate * self.H.T @ d_2
        self.b -= rate * d_2.sum(axis=0)
        self.V -= rate * self.X.T @ d_1
        self.c -= rate * d_1.sum(axis=0)
"""
ADAPTER = """\
from backproof.adapters import Adapter


class Mine(Adapter):
    hidden, output, loss = "tanh", "identity", "half_squared_error"
    W, b = ("V", "W"), ("c", "b")

    def make(self, net):
        return self.module.Net(*net.widths)

    def inputs(self, X):
        return self.module.prepared(X)

    def run(self, model, X, Y):
        model.learn(X, Y, self.net.alpha)
"""
SCALED = ("(X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8)", "X / 255")
NO_EPSILON = (" + 1e-8", "")
SMOOTHED = ("d_2 = self.O - Y", "d_2 = self.O - (0.9 * Y + 0.05)")
TARGETS = ("def inputs(self, X):\n        return self.module.prepared(X)",
           "def targets(self, Y):\n        return 0.9 * Y + 0.05")  # fmt: skip
AS_IT_IS = ("self.X = prepared(X)", "self.X = X")


def net(folder: Path, *changes: tuple[str, str]) -> str:
    """The program with its adapter, each change made in the one or the other."""
    texts = [PROGRAM, ADAPTER]
    for old, new in changes:
        (at,) = [at for at, text in enumerate(texts) if text.count(old) == 1]
        texts[at] = texts[at].replace(old, new)
    for name, text in zip(("net.py", "net_adapter.py"), texts, strict=True):
        (folder / name).write_text(text)
    return str(folder / "net.py")


@pytest.mark.parametrize(
    "changes",
    [(), (SCALED,), (NO_EPSILON,), (SMOOTHED, TARGETS, AS_IT_IS)],
    ids=["standardised", "divided by 255", "0 / 0 in a single row", "smoothed labels"],
)
def test_a_right_program_passes(tmp_path: Path, changes: tuple[tuple[str, str], ...]) -> None:
    checked, _ = check(Request(net(tmp_path, *changes)))
    assert checked.exit_code == 0, checked.first_broken
    assert named(checked, "activation.tanh").status == "pass"
    letter, name = ("Y", "targets") if SMOOTHED in changes else ("X", "inputs")
    said = f"judged at the {letter} that `{name}` states, which the program makes of it itself"
    assert said in checked.adapted
    assert "judged by the rounding bound alone: it changes its inputs itself" in checked.notes[0]


def test_a_constant_is_a_convention_there_too(tmp_path: Path) -> None:
    checked, _ = check(Request(net(tmp_path, ("d_2 = self.O - Y", "d_2 = 2 * (self.O - Y)"))))
    assert checked.exit_code == 0
    assert checked.conventions["factor"].startswith("the ΔW is 2 times the derivative")


def test_rows_are_asked_alone_only_where_they_are_what_they_are_in_a_batch(tmp_path: Path) -> None:
    whole, _ = check(Request(net(tmp_path)))
    scale = named(whole, "scale.rows")
    assert (scale.status, scale.cases) == ("pass", 2)
    assert "is made of the whole batch; a row alone is another; each batch is ri" in scale.message
    by_row, _ = check(Request(net(tmp_path, SCALED)))
    assert (named(by_row, "scale.rows").status, named(by_row, "scale.rows").message) == ("pass", "")


def test_a_batch_that_is_wrong_as_a_whole_is_wrong_in_scale_or_says_nothing_of_it(
    tmp_path: Path,
) -> None:
    divided = ("rate * self.X.T @ d_1", "rate / len(X) * self.X.T @ d_1")
    scale = named(check(Request(net(tmp_path, divided)))[0], "scale.rows")
    assert (scale.status, scale.cases) == ("fail", 2)
    assert "ΔW_1 is 0.25 times what it should be, the others are right" in scale.message
    # By one factor for every n, or no multiple at all: that is not of scale.
    for wrong in ((" * (1 - self.H**2)", " * (1 - self.H**2) * 3"), (" * (1 - self.H**2)", "")):
        checked, _ = check(Request(net(tmp_path, wrong)))
        scale = named(checked, "scale.rows")
        assert (scale.status, scale.unclaimed, scale.cases) == ("skipped", False, 2)
        assert checked.first_broken is not None
        assert checked.first_broken.check.id == "activation.tanh"


def test_where_it_has_no_numbers_nothing_is_judged(tmp_path: Path) -> None:
    checked, _ = check(Request(net(tmp_path, NO_EPSILON)))
    alone = named(checked, "batch.one")
    assert (alone.status, alone.message) == (
        "skipped",
        "NotImplementedError: `inputs` has no finite numbers of this X",
    )


NO_PRODUCT = "ΔW_1 is not the outer product of X and Δb_1"
RAW_BACKWARDS = ("rate * self.X.T @ d_1", "rate * X.T @ d_1")


@pytest.mark.parametrize(
    ("changes", "broken", "said"),
    [
        ((RAW_BACKWARDS,), "linear.bias", NO_PRODUCT),
        ((SCALED, RAW_BACKWARDS), "linear.bias", "ΔW_1 is 255 times what it should be"),
        (((" * (1 - self.H**2)", ""),), "activation.tanh", "_1[0] = "),
        # A statement that is not true blames a right program; it is no way round the judge.
        ((AS_IT_IS,), "linear.bias", NO_PRODUCT),
        ((SMOOTHED,), "loss.half_squared_error.identity", "exact is"),
    ],
    ids=["raw X backwards", "not divided backwards", "no derivative", "untrue", "not said of Y"],
)
def test_a_mistake_fails(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], broken: str, said: str
) -> None:
    checked, _ = check(Request(net(tmp_path, *changes)))
    first = checked.first_broken
    assert first is not None
    assert first.check.id == broken
    assert said in first.message


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("X[0]", "`inputs` returned float64 of shape (6,), expected numbers of shape (3, 6), as X"),
        ("None", "`inputs` returned None, expected numbers of shape (3, 6), as X has"),
        ("0 * X + 3", "`inputs` returns one number throughout; state what becomes of X"),
        ("X.__itruediv__(2)", "`inputs` changes its X in place; return another array"),
        (
            "X + self.module.np.random.default_rng().normal()",
            "`inputs` says something else of the same X the second time",
        ),
    ],
)
def test_smoke_says_what_is_wrong_with_a_statement(
    tmp_path: Path, returned: str, said: str
) -> None:
    with Target(net(tmp_path, ("self.module.prepared(X)", returned))) as target:
        (problem,) = target.smoke()
    assert said in problem


def test_replay_asks_the_others_about_the_same_numbers_and_verify_says_that_it_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = net(tmp_path)
    _, climb = check(Request(spec))
    case = climb.nets.net(11)
    assert case is not None
    assert main(["replay", token_of(case), "--impl", spec, "--oracles", "exact"]) == 0
    assert "agree" in capsys.readouterr().out
    assert main(["verify", "--impl", spec, "--cases", "5", "--out", str(tmp_path / "out")]) == 2
    assert "changes X itself, as its adapter states" in capsys.readouterr().err


def test_a_layer_is_marked_given_what_the_program_made_of_x(tmp_path: Path) -> None:
    for change, words in (((), "right"), ((RAW_BACKWARDS,), "wrong")):
        with Target(net(tmp_path, SCALED, *change)) as target:
            case = Climb(target).nets.net(7, n=1)
            assert case is not None
            marks = follow_through.marked(case, target.gradients(case), Factor())
        assert marks is not None
        assert marks.case.token == token_of(case)
        assert marks.layers[0].words == ("right", "right", "right")
        assert marks.layers[1].dW == words
