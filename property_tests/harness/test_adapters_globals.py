"""Programs in odd forms: globals of a script, pairs in tuples, one g for all hidden layers."""

from pathlib import Path

import pytest

from property_tests.check_run import Request, check

_SCRIPT = """\
import numpy as np
import there_is_no_such_package

w_hidden = np.random.rand(3, 4)
w_out = np.random.rand(4, 2)

def train(X, Y, rounds, rate):
    global w_hidden, w_out
    for _ in range(rounds):
        H = np.tanh(X @ w_hidden)
        E = H @ w_out - Y
        D = E @ w_out.T * (1 - H**2)
        w_out -= rate * H.T @ E
        w_hidden -= rate * X.T @ D

train(np.eye(3), np.ones((3, 2)), 10**9, 0.1)
"""
_OF_THE_SCRIPT = """\
    hidden, output, loss, bias = "tanh", "identity", "half_squared_error", "none"
    script, W = True, ("w_hidden", "w_out")

    def run(self, model, X, Y):
        model.train(X, Y, 1, self.net.alpha)
"""
_PAIRS = """\
import numpy as np

class Net:
    def __init__(self, sizes):
        self.pairs = [(np.ones((k, j)), np.zeros(j)) for k, j in zip(sizes, sizes[1:])]

    def gradients(self, X, Y):
        Os = [X]
        for W, b in self.pairs:
            Os.append(np.tanh(Os[-1] @ W + b))
        delta, found = Os[-1] - Y, []
        for (W, b), below, O in zip(self.pairs[::-1], Os[-2::-1], Os[:0:-1]):
            delta = delta * (1 - O**2)
            found.append((below.T @ delta, delta.sum(0)))
            delta = delta @ W.T
        return found[::-1]
"""
_OF_PAIRS = """\
    hidden, output, loss, depths = "tanh", "tanh", "half_squared_error", (1, 2, 3)
    gives, W, b = "gradient", "pairs[{i}][0]", "pairs[{i}][1]"

    def make(self, net):
        return self.module.Net(net.widths)

    def run(self, model, X, Y):
        return model.gradients(X, Y)
"""
HEAD = "from backproof.adapters import Adapter\n\nclass Mine(Adapter):\n"


@pytest.mark.parametrize(
    ("program", "adapter", "mistake"),
    [
        (_SCRIPT, _OF_THE_SCRIPT, (" * (1 - H**2)", "")),
        (_PAIRS, _OF_PAIRS, (" * (1 - O**2)", " * (1 - O)")),
    ],
    ids=["globals that a script makes", "pairs in tuples"],
)
def test_it_is_reached_and_a_mistake_is_found(
    tmp_path: Path, program: str, adapter: str, mistake: tuple[str, str]
) -> None:
    assert program.count(mistake[0]) == 1
    (tmp_path / "net_adapter.py").write_text(HEAD + adapter)
    for text, exit_code in ((program, 0), (program.replace(*mistake), 1)):
        (tmp_path / "net.py").write_text(text)
        checked, climb = check(Request(str(tmp_path / "net.py")))
        assert checked.exit_code == exit_code, checked.first_broken
        assert climb.trial.not_exactly == ""  # in balls, too


_ONE_FOR_ALL = """\
import numpy as np

G = {
    "tanh": (np.tanh, lambda O: 1 - O**2),
    "sigmoid": (lambda Z: 1 / (1 + np.exp(-Z)), lambda O: O * (1 - O)),
}

def gradients(Ws, X, Y, activation):
    (g, slope), Os = G[activation], [X]
    for W in Ws[:-1]:
        Os.append(g(Os[-1] @ W))
    delta, found = Os[-1] @ Ws[-1] - Y, []
    for W, O in zip(Ws[::-1], Os[::-1]):
        found.insert(0, O.T @ delta)
        delta = delta @ W.T * slope(O)
    return found
"""
_OF_ONE_FOR_ALL = """\
    hidden, output, loss, bias = ("tanh", "sigmoid"), "identity", "half_squared_error", "none"
    mixed, depths, gives = False, (2, 3, 4), "gradient"

    def run(self, net, X, Y):
        return self.module.gradients(net.W, X, Y, net.hidden)
"""


def test_one_activation_for_all_hidden_layers_is_a_claim(tmp_path: Path) -> None:
    """Without it the adapter is named, never the program."""
    (tmp_path / "net.py").write_text(_ONE_FOR_ALL)
    (tmp_path / "net_adapter.py").write_text(HEAD + _OF_ONE_FOR_ALL)
    checked, climb = check(Request(str(tmp_path / "net.py")))
    assert checked.exit_code == 0
    assert {case.activations[:-1] for case in climb.judged if case.depth == 4} == {
        ("tanh",) * 3,
        ("sigmoid",) * 3,
    }
    (tmp_path / "net_adapter.py").write_text(HEAD + _OF_ONE_FOR_ALL.replace("False", "True", 1))
    first = check(Request(str(tmp_path / "net.py")))[0].first_broken
    assert first is not None
    assert (first.check.id, first.status) == ("depth.3", "error")
    assert "write `mixed = False` if the program has one for all hidden layers" in first.message
