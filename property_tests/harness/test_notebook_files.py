"""A notebook is a program like any other: its code cells define it, and nothing else of it runs."""

import json
from pathlib import Path

import pytest

from backproof.errors import TargetError
from backproof.target import Target
from backproof.tokens import case_of
from property_tests.check_run import Request, check
from property_tests.harness.test_adapters import HEAD
from property_tests.harness.test_adapters_proposed import FUNCTIONS
from property_tests.planted import EXAMPLE
from property_tests.trying import Trial

COMMANDS = ["%matplotlib inline\n", "!pip install numpy\n", "import numpy as np\n"]
ENDLESS = "data = np.random.rand(3, 2)\nwhile True:\n    data = data + 1"
ADAPTER = f"""\
{HEAD}    hidden, output, loss = "tanh", "identity", "half_squared_error"
    script, gives = True, "gradient"

    def run(self, model, X, Y):
        p = model.params
        out, H = self.module.forward(X, p["W1"], p["b1"], p["W2"], p["b2"])
        return self.module.backward(X, Y, H, out, p["W2"])
"""
WRONG = ("(1 - cache**2)", "(1 - cache)")


def cell(source: str | list[str], kind: str = "code") -> dict[str, object]:
    return {"cell_type": kind, "source": source, "metadata": {}}


def written(folder: Path, *cells: dict[str, object], name: str = "my_net.ipynb") -> str:
    (folder / name).write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    return str(folder / name)


def of_functions(folder: Path, functions: str = FUNCTIONS) -> str:
    text = cell(["# no code\n", "def forward(): pass"], "markdown")
    return written(folder, text, cell(COMMANDS), cell(functions), cell(ENDLESS))


@pytest.mark.parametrize("adapter", [True, False], ids=["an adapter", "inferred"])
def test_a_notebook_is_judged_and_its_loop_never_runs(tmp_path: Path, adapter: bool) -> None:
    if adapter:
        (tmp_path / "my_net_adapter.py").write_text(ADAPTER)
    checked, _ = check(Request(of_functions(tmp_path)))
    assert checked.exit_code == 0, checked.first_broken
    said = "a notebook of 3 code cells, without 2 lines of commands to the notebook; only its def"
    assert said in checked.adapted
    checked, _ = check(Request(of_functions(tmp_path, FUNCTIONS.replace(*WRONG))))
    assert checked.first_broken is not None
    assert checked.first_broken.check.id == "activation.tanh"


def test_a_function_on_the_contract_needs_no_adapter(tmp_path: Path) -> None:
    source = EXAMPLE.read_text().splitlines(keepends=True)
    spec = written(tmp_path, cell("%%time\n1 / 0\n"), cell(source), cell(ENDLESS))
    case = case_of("bp11g800000002ga02120h9wf")
    for named in (spec, f"{spec}:backprop"):
        with Target(named) as target:
            assert target.adapted == (
                "a notebook of 3 code cells, without 2 lines of commands to the notebook; only "
                "its definitions are run"
            )
            assert Trial(target).of(case).status == "pass"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def backprop(): pass", "is no notebook of format 4: JSON whose `cells` have a"),
        ('{"worksheets": []}', "is no notebook of format 4"),
        ('{"cells": 3}', "is no notebook of format 4"),
        ('{"cells": [{"cell_type": "code", "source": 3}]}', "is no notebook of format 4"),
        ("[" * 100_000, "is no notebook of format 4"),
        (
            json.dumps({"cells": [cell("%time\ndef backprop(:")]}),
            "cannot be read as Python 3",
        ),
    ],
    ids=["Python", "format 3", "no cells", "no text", "deep", "no Python"],
)
def test_what_is_no_notebook_is_said_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "my_net.ipynb").write_text(text)
    with pytest.raises(TargetError) as caught:
        Target(str(tmp_path / "my_net.ipynb"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "my_net_adapter.py").write_text(ADAPTER)
    with pytest.raises(TargetError) as caught:
        Target(str(tmp_path / "my_net.ipynb"))
    assert said in str(caught.value)
