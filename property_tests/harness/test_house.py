"""The house keeps its shape: which part may import which, and how much a file may hold.

The rules are checked on the text of the files (`ast`), nothing is imported for it; each rule is
also shown a file that breaks it.
"""

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The parts that each part may import, beside itself.
ARROWS: dict[str, set[str]] = {
    "backproof": set(),
    "reference_impl": set(),
    "oracles": {"backproof"},
    "diagnosis": {"backproof"},
    "reports": {"backproof"},
    "property_tests": {"backproof", "reference_impl", "oracles", "diagnosis", "reports"},
}
# The command line and the Python doors start the suite. They may do so inside functions, once they
# are asked to.
STARTERS = {"backproof/suite.py", "backproof/doors.py"}
STARTED = {"property_tests", "reports"}

FRAMEWORKS = {"jax", "jaxlib", "tensorflow", "torch"}
TEXTBOOK = sys.stdlib_module_names | {"numpy", "reference_impl"}

LONGEST_FILE = 400
# Files that are tables, where more lines are not more to understand. Path: why.
TABLES: dict[str, str] = {}


class Import(NamedTuple):
    """One imported module, and whether it is loaded with the file or only when a function runs."""

    line: int
    module: str
    where: str  # "file", "function" or "types" (under `if TYPE_CHECKING`)

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


def imports(path: str, source: str) -> Iterator[Import]:
    """All imports of a file, relative ones and `import_module("...")` written out in full."""
    package = path.removesuffix(".py").split("/")[:-1]
    yield from _imports(ast.parse(source), package, "file")


def _imports(node: ast.AST, package: list[str], where: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(node.lineno, alias.name, where) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        yield from (
            Import(node.lineno, ".".join([*above, *filter(None, [node.module]), name]), where)
            for name in (alias.name for alias in node.names)
        )
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(_DYNAMIC):
        yield from (
            Import(node.lineno, str(word.value), where)
            for word in node.args[:1]
            if isinstance(word, ast.Constant)
        )
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        where = "function" if where == "file" else where
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        where = "types"
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, package, where)


_DYNAMIC = ("import_module", "__import__")


def breaches(path: str, source: str) -> list[str]:
    """One sentence for each import that the house does not allow in this file."""
    part = path.partition("/")[0]
    return [
        f"{path}:{found.line} imports {found.module}: {why}"
        for found in imports(path, source)
        if (why := _why_not(path, part, found))
    ]


def _why_not(path: str, part: str, found: Import) -> str:
    root = found.root
    if root in ARROWS and root != part and root not in ARROWS[part]:
        if _may_start(path) and root in STARTED and found.where == "function":
            return ""
        return f"{part} may import {', '.join(sorted(ARROWS[part])) or 'nothing of ours'}"
    if part == "reference_impl" and root not in TEXTBOOK:
        return "the textbook needs NumPy and the standard library, nothing else"
    if root == "pandas" and part != "reports":
        return "pandas stays in reports"
    if root in FRAMEWORKS and part != "property_tests":
        if part != "oracles":
            return "frameworks stay in oracles"
        return "inside the function that needs it, please" if found.where == "file" else ""
    return ""


def _may_start(path: str) -> bool:
    return path in STARTERS or path.startswith("backproof/cli")


def files() -> list[str]:
    """Every Python file of ours, as a path from the root of the clone."""
    found = [path for part in ARROWS for path in (ROOT / part).rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def test_every_import_follows_the_arrows() -> None:
    found = [
        breach
        for path in files()
        for breach in breaches(path, (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_the_house_is_where_this_test_looks() -> None:
    """A wrong ROOT would find no file, and no file breaks no rule."""
    parts = {path.partition("/")[0] for path in files()}
    assert parts >= {"backproof", "reference_impl", "oracles", "property_tests", "reports"}


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("backproof/case.py", "import oracles", "nothing of ours"),
        ("backproof/case.py", "from reference_impl.network import forward", "nothing of ours"),
        ("backproof/case.py", "def f():\n    import reports", "nothing of ours"),
        ("backproof/cli.py", "import property_tests.campaign", "nothing of ours"),
        ("backproof/cli.py", "def f():\n    import reference_impl", "nothing of ours"),
        ("backproof/cli.py", "class A:\n    import reports", "nothing of ours"),
        ("backproof/case.py", "import torch", "frameworks stay in oracles"),
        ("backproof/cli.py", "def f():\n    import pandas", "pandas stays in reports"),
        ("reference_impl/network.py", "from backproof import Case", "nothing of ours"),
        ("reference_impl/network.py", "import scipy.special", "NumPy and the standard library"),
        ("oracles/torch_autograd.py", "import reference_impl", "oracles may import backproof"),
        ("oracles/torch_autograd.py", "from reports import tables", "oracles may import backproof"),
        ("oracles/torch_autograd.py", "import torch", "inside the function"),
        ("oracles/jax_grad.py", "from jax import numpy as jnp", "inside the function"),
        ("oracles/verdicts.py", "def f():\n    from pandas import NA", "pandas stays in reports"),
        ("oracles/fd.py", "from ..reference_impl import forward", "oracles may import backproof"),
        ("oracles/fd.py", "import_module('reference_impl.x')", "oracles may import backproof"),
        ("oracles/fd.py", "x = lambda: __import__('reports')", "oracles may import backproof"),
        (
            "oracles/fd.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import reference_impl",
            "oracles may import backproof",
        ),
        ("diagnosis/names.py", "import oracles.verdicts", "diagnosis may import backproof"),
        ("reports/html.py", "from property_tests import campaign", "reports may import backproof"),
        ("reports/html.py", "import jax", "frameworks stay in oracles"),
        ("property_tests/test_batch.py", "import pandas as pd", "pandas stays in reports"),
    ],
)
def test_a_wrong_import_is_named(path: str, source: str, message: str) -> None:
    (breach,) = breaches(path, source)
    assert breach.startswith(f"{path}:")
    assert message in breach


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("backproof/cli.py", "def verify():\n    from property_tests import campaign"),
        ("backproof/cli_words.py", "def verify():\n    import reports.html"),
        ("backproof/suite.py", "def start():\n    import_module('property_tests.campaign')"),
        ("backproof/case.py", "from . import drawing\nfrom backproof.names import LOSSES"),
        (
            "reference_impl/network.py",
            "import math\nimport numpy\nfrom .losses import LOSSES",
        ),
        ("oracles/torch_autograd.py", "def gradients(case):\n    import torch"),
        ("oracles/jax_grad.py", "if TYPE_CHECKING:\n    import jax\nfrom backproof import Case"),
        ("reports/tables.py", "import pandas as pd\nfrom backproof import Case"),
        ("property_tests/bench.py", "import torch, oracles, reports, reference_impl"),
    ],
)
def test_a_right_import_is_let_through(path: str, source: str) -> None:
    assert breaches(path, source) == []


def newly_loaded(module: str, folder: Path) -> set[str]:
    """The top-level names that `import module` brings into a fresh interpreter."""
    program = f"""
        import sys
        before = set(sys.modules)
        import {module}
        import json
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    answer = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


def test_import_backproof_needs_numpy_alone() -> None:
    assert newly_loaded("backproof", ROOT) - sys.stdlib_module_names == {"backproof"}
    # What is loaded when it is used, but for what needs the suite: `check` and `checks`.
    words = "Arrays, BackproofError, Case, Failure, Gradients, case_of, token_of"
    loaded = newly_loaded(f"backproof; from backproof import {words}", ROOT)
    assert loaded - sys.stdlib_module_names == {"backproof", "numpy"}


def test_an_import_that_needs_more_is_seen(tmp_path: Path) -> None:
    (tmp_path / "needs_more.py").write_text("import numpy\nimport pytest\n", encoding="utf-8")
    loaded = newly_loaded("needs_more", tmp_path)
    assert {"needs_more", "numpy", "pytest"} <= loaded


def too_long(sizes: dict[str, int], tables: dict[str, str]) -> list[str]:
    """One sentence for each file over the limit, and for each exception that is none any more."""
    long = {path for path, lines in sizes.items() if lines > LONGEST_FILE}
    return [
        *(
            f"{path} has {sizes[path]} lines, {LONGEST_FILE} are allowed"
            for path in long - {*tables}
        ),
        *(f"{path} is listed as a long table and is none" for path in {*tables} - long),
    ]


def test_no_file_is_too_long() -> None:
    sizes = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files()}
    found = too_long(sizes, TABLES)
    assert not found, "\n".join(found)


def test_a_file_that_is_too_long_is_named() -> None:
    sizes = {"oracles/a.py": 401, "oracles/b.py": 400, "oracles/table.py": 900}
    tables = {"oracles/table.py": "one line per fault", "oracles/gone.py": "one line per fault"}
    assert sorted(too_long(sizes, tables)) == [
        "oracles/a.py has 401 lines, 400 are allowed",
        "oracles/gone.py is listed as a long table and is none",
    ]


@pytest.mark.parametrize(
    "command",
    ["python -m pip install nox && python -m nox -s report", "python -m nox -s tests"],
)
def test_the_readme_names_the_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def missing_files(text: str) -> list[str]:
    """Paths in back-ticks that are not in the clone; a `*` must match something."""
    named = re.findall(r"`([\w.*]+(?:/[\w.*]+)*(?:/|\.py|\.toml|\.txt))`", text)
    assert named, "the text names no file"
    return sorted(path for path in set(named) if not list(ROOT.glob(path)))


def test_the_recipes_name_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    gone = missing_files(text.partition("## Recipes")[2])
    assert gone == [], f"CONTRIBUTING.md sends people to {', '.join(gone)}"


def test_a_recipe_with_a_file_that_is_gone_is_seen() -> None:
    text = "see `noxfile.py`, `property_tests/harness/`, `oracles/gone.py` and `reports/x_*.py`"
    assert missing_files(text) == ["oracles/gone.py", "reports/x_*.py"]


# The map in CONTRIBUTING.md.

ROOMS = ("backproof", "property_tests")


def lost_rooms(text: str) -> list[str]:
    """Modules that the map names and the tree has not."""
    start = text.index("## Which file to open")
    rows = [line.split("|")[2:4] for line in text[start:].split("\n## ")[0].splitlines()]
    named = [
        f"{room}/{name}.py"
        for cells in rows
        if len(cells) == 2
        for room, cell in zip(ROOMS, cells, strict=True)
        for name in re.findall(r"`([a-z_*]+)`", cell)
    ]
    assert len(named) > 60, "the map was not read"
    return [name for name in named if not list(ROOT.glob(name))]


def test_the_map_names_files_that_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert lost_rooms(text) == []
    assert lost_rooms(text.replace("`ladder`", "`stairs`")) == ["property_tests/stairs.py"]
