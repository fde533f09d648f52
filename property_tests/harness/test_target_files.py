"""Files that cannot be asked at all, and where a file under test may lie."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backproof import suite
from backproof.errors import TargetError
from backproof.target import Limits, Target
from property_tests.harness.hostile import CASE, answered, assert_goes_on, failed, hostile
from property_tests.planted import EXAMPLE

ROOT = EXAMPLE.parent.parent
RIGHT = "def backprop(weights, biases, X, Y, activations, loss):\n    return weights, biases\n"


@pytest.mark.parametrize(
    ("source", "function", "said"),
    [
        (
            "x = 1\n",
            "",
            "{path} has no function `backprop(weights, biases, X, Y, activations, loss)`; "
            "write one or name yours: {path}:function",
        ),
        (RIGHT, ":learn", "{path} has no function `learn`; it has: backprop."),
        ("backprop = 3\n", "", "{path}: `backprop` is a int, not a function."),
        ("a = 1\ndef f(:\n", "", "{path} cannot be read as Python 3."),
        ("a = '\0'\n", "", "source code string cannot contain null bytes at my_net.py."),
        (
            "from . import helper\n",
            "",
            "{path} cannot be imported: ImportError: cannot import name 'helper' from ",
        ),
        ("print 'hello'\n", "", "Missing parentheses in call to 'print'"),
        ("a = 1\nb = a / 0\n", "", "ZeroDivisionError: division by zero at my_net.py line 2; what"),
        ("import sys\nsys.exit(0)\n", "", "cannot be imported: SystemExit: 0 at my_net.py line 2;"),
        ("import os\nos._exit(0)\n", "", "{path} cannot be imported: the process ended itself (ex"),
        ("while True: pass\n", "", "{path} cannot be imported: no answer within 1 s; it was at my"),
        (
            "def backprop(X, Y):\n    pass\n",
            "",
            "{path}: `backprop(X, Y)` cannot be called as `backprop(weights, biases, X, Y, "
            "activations, loss)` (too many positional arguments)",
        ),
        (
            f"async {RIGHT[RIGHT.index('def backprop') :]}",
            "",
            "{path}: `backprop` is an async function, whose call gives no arrays yet; write it "
            "without `async`.",
        ),
        (
            "async def backprop(X, Y):\n    yield X\n",
            ":backprop",
            "{path}: `backprop` is an async function",
        ),
        (
            "def backprop(weights, biases, X, Y, activations, loss):\n    yield weights, biases\n",
            "",
            "{path}: `backprop` is a generator function, whose call gives no arrays yet; `return` "
            "them once.",
        ),
        (
            "class Asked:\n    async def __call__(self, *arguments):\n        return arguments\n"
            "backprop = Asked()\n",
            "",
            "{path}: `backprop` is an async function",
        ),
        (
            "def backprop(weights, biases, X, Y, activations, loss, depth):\n    pass\n",
            "",
            "(missing a required argument: 'depth'); give what is yours alone a default value.",
        ),
        (
            "def backprop(*arguments):\n    raise NotImplementedError('to do')\n",
            "",
            "{path}: `backprop` refuses every network it was asked about, the first one with "
            "NotImplementedError: to do at my_net.py line 2",
        ),
    ],
)
def test_a_file_that_cannot_be_asked_is_one_clear_sentence(
    tmp_path: Path, source: str, function: str, said: str
) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(source)
    with pytest.raises(TargetError) as caught:
        Target(f"{path}{function}", Limits(load=1.0 if "while" in source else 30.0))
    assert said.format(path=path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.py", "missing.py:train", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    what = "a folder" if name == "." else "no file"
    with pytest.raises(TargetError, match=f"is {what}; give the Python file to be judged\\."):
        Target(str(tmp_path / name))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("grown.net", "grown.net is a module, and a module may hold many functions; name the one "
         "to be judged, as grown.net:backprop, or give its file."),
        ("grown", "grown is a module"),
        ("grown.gone", "grown.gone is no file, and no module that could be imported from here;"),
        ("grown.gone:backprop", "grown.gone is no file, and no module"),
        (f"{'x' * 300}.py", "x.py is no file; give the Python file"),
    ],
)  # fmt: skip
def test_a_module_needs_the_name_of_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str
) -> None:
    (tmp_path / "grown").mkdir()
    for name in ("__init__.py", "net.py"):
        (tmp_path / "grown" / name).write_text("raise RuntimeError('it was imported')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError) as caught:
        Target(spec)
    assert said in str(caught.value)


def test_files_beside_it_shadow_nothing_of_ours_and_reports_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "struct", "backproof", "faulthandler"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the learner\\'s {name}')\n")
    for name in ("reports", "oracles"):
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    # Nobody has imported this one yet: what stands first in sys.path decides.
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('the learner\\'s colorsys')\n")
    top = "import colorsys, json, reports, oracles\nassert reports.MINE and oracles.MINE"
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    with hostile(tmp_path, "pass", top=top) as target:
        assert_goes_on(target)
    assert not list(tmp_path.glob("**/__pycache__"))


@pytest.mark.parametrize("written", ["{root}", "{root}/", "{root}/oracles/..", "{link}"])
def test_a_clone_on_the_path_shadows_nothing_of_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """An editable install puts the clone on sys.path, as PYTHONPATH does here."""
    folder, link = tmp_path / "learner", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(ROOT)
    monkeypatch.setenv("PYTHONPATH", written.format(root=ROOT, link=link))
    for name in suite.PACKAGES:
        (folder / f"{name}.py").write_text("MINE = True\n")
    mine = " and ".join(f"{name}.MINE" for name in suite.PACKAGES)
    top = f"import {', '.join(suite.PACKAGES)}\nassert {mine}"
    with hostile(folder, "pass", top=top) as target:
        assert_goes_on(target)


def test_a_learner_without_such_files_finds_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said = "ModuleNotFoundError: No module named 'reference_impl' at my_net.py line"
    top = "import reference_impl"
    with pytest.raises(TargetError, match=said), hostile(tmp_path, "pass", top=top):
        pass


INSTALLED = """\
import sys
from backproof import suite
from backproof.target import Target
assert suite.suite_root().name == "_suite"
with Target(sys.argv[1]) as target:
    print(target.name)
"""


def test_what_is_installed_beside_the_package_stays_importable(tmp_path: Path) -> None:
    """A wheel lies in site-packages, among the learner's libraries."""
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "backproof", site / "backproof")
    (site / "backproof" / "_suite").mkdir()
    (site / "their_library.py").write_text("")
    path = tmp_path / "my_net.py"
    path.write_text(f"import their_library\n{EXAMPLE.read_text()}")
    command = [sys.executable, "-P", "-c", INSTALLED, str(path)]
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout == "my_net\n", done.stderr


def test_a_file_may_be_called_like_a_library_and_lie_under_a_strange_path(tmp_path: Path) -> None:
    folder = tmp_path / "mes réseaux: 1"
    folder.mkdir()
    path = folder / "json.py"
    path.write_text(EXAMPLE.read_text())
    with Target(f"{path}:backprop") as target:
        assert target.name == "backprop"
        answered(target, CASE)
    with Target(str(path)) as target:
        assert target.name == "json"


def test_it_runs_in_an_empty_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    deed = "raise RuntimeError(repr((os.getcwd(), os.listdir('.'))))"
    with hostile(tmp_path, deed) as target:
        folder, content = folder_and_content(failed(target).message)
        assert content == "[]"
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def folder_and_content(message: str) -> tuple[str, str]:
    inside = message.partition("(")[2].rpartition(")")[0]
    folder, _, content = inside.partition(", ")
    return folder.strip("'"), content


def test_the_worker_alone_imports_nothing_but_numpy_and_the_standard_library() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import backproof.worker, backproof.target; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    command = [sys.executable, "-P", "-c", code, str(ROOT)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.sep).stdout
    foreign = set(out.split()) - set(sys.stdlib_module_names) - {"numpy", "backproof", "__main__"}
    assert not {name for name in foreign if not name.startswith(("_", "sitecustomize"))}


def test_two_files_may_import_each_other_as_they_do_where_one_is_run(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text("import my_loss\n" + RIGHT)
    (tmp_path / "my_loss.py").write_text("from my_net import backprop\n")
    with Target(str(tmp_path / "my_net.py")) as target:
        assert target.name == "my_net"
    (tmp_path / "my_loss.py").write_text("from my_net import forward\n")
    with pytest.raises(TargetError, match="cannot import name 'forward' from 'my_net'"):
        Target(str(tmp_path / "my_net.py"))


def test_a_file_of_a_package_is_found_from_the_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "my_package"
    folder.mkdir()
    (folder / "layers.py").write_text(RIGHT)
    (folder / "my_net.py").write_text("from my_package.layers import backprop\n")
    with Target(str(folder / "my_net.py")) as target:
        assert target.name == "my_net"
    for name in ("my_package.nothing", "another_package"):
        (folder / "my_net.py").write_text(f"import {name}\n" + RIGHT)
        with pytest.raises(TargetError, match=f"No module named '{name}' at my_net.py line 1"):
            Target(str(folder / "my_net.py"))


def test_a_file_that_imports_from_its_own_package_is_a_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "my_package" / "nets"
    folder.mkdir(parents=True)
    (tmp_path / "my_package" / "losses.py").write_text("half = 0.5\n")
    (folder / "helpers.py").write_text(RIGHT)
    (folder / "my_net.py").write_text("from .helpers import backprop\nfrom ..losses import half\n")
    with Target(str(folder / "my_net.py")) as target:
        assert target.name == "my_net"
    (folder / "my_net.py").write_text("from .helpers import forward\n")
    with pytest.raises(TargetError, match=r"cannot import name 'forward' from .*helpers"):
        Target(str(folder / "my_net.py"))


def test_files_where_one_stands_shadow_nothing_of_ours_for_python_m(tmp_path: Path) -> None:
    """`python -m` puts that folder first on the path of the harness itself."""
    (tmp_path / "my_net.py").write_text(RIGHT)
    for name in ("json", "oracles", "reports", "rich", "queue"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('this is {name}.py')\n")
    ran = subprocess.run(
        [sys.executable, "-m", "backproof", "check", "my_net.py", "--oracles", "none"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "my_net is not right: linear.layer breaks first" in ran.stdout
