"""The wheel on trial: what it holds, what it brings along, and whether it works in a crowd.

Called by `nox -s package` as `check_wheel.py FROM_SDIST FROM_TREE PYTHON`: two folders with one
wheel each, and the Python of an environment in which only the first of the two was installed.
Needs the standard library alone. Prints one line per thing that holds; exit code 1 and one
sentence per thing that doesn't.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SUITE = ("reference_impl", "oracles", "property_tests", "reports")

# What the suite reads besides its modules; a build that packs Python files alone would lose it.
DATA = ("reports/style.css", "property_tests/learner_session.ini")

# What `pip install backproof` may put into an environment: itself, its dependencies, and theirs.
SMALL_INSTALL = {
    "backproof", "numpy", "python-flint",
    "rich", "markdown-it-py", "mdurl", "pygments",
    "pip", "setuptools",  # an empty environment of Python 3.11 has them
}  # fmt: skip

# A learner's folder in which every name of the suite is taken, by files that must not be loaded.
TAKEN = ("reports.py", "oracles/__init__.py", "property_tests/__init__.py", "reference_impl.py")
TRAP = "raise ImportError('a file of the learner was imported in place of the suite')\n"

RUBRIC = 'title = "A class of one"\nladder = "1"\n[points]\nlinear = 1\n'

# Prints the token of a small network, found through the installed package's own words.
TOKEN = (
    "from backproof import Case, token_of; "
    "print(token_of(Case(widths=(2, 2, 1), activations=('tanh', 'identity'), n=2, seed=1)))"
)

# The Python door, as a notebook in that folder opens it: the function is right in all that
# it claims, and their `oracles`, which raises, is neither loaded nor replaced.
DOOR = """
import sys
import backproof

def backprop(weights, biases, X, Y, activations, loss):
    if len(weights) > 1 or activations != ["identity"] or loss != "half_squared_error":
        raise NotImplementedError
    delta = X @ weights[0] + (0 if biases[0] is None else biases[0]) - Y
    return [X.T @ delta], [delta.sum(axis=0)]

report = backproof.check(backprop)
print(report)
sys.exit(report.exit_code or "oracles" in sys.modules)
"""


def strangers(names: list[str]) -> list[str]:
    """Names in a wheel that would enter site-packages beside `backproof` and its metadata."""
    return [
        name
        for name in names
        if not name.startswith("backproof/")
        and not (name.startswith("backproof-") and ".dist-info/" in name)
    ]


def missing(names: list[str]) -> list[str]:
    """Parts of the suite that a wheel lacks."""
    parts = [part for part in SUITE if f"backproof/_suite/{part}/__init__.py" not in names]
    return parts + [path for path in DATA if f"backproof/_suite/{path}" not in names]


def written(names: list[str]) -> list[str]:
    """Reports of this clone that were packed by mistake."""
    return [name for name in names if "/reports/out/" in name]


def difference(one: dict[str, int], other: dict[str, int]) -> list[str]:
    """Names that two wheels don't share, or hold with another content (checksum)."""
    return sorted({name for name, _ in one.items() ^ other.items()})


def brought_along(listed: str) -> list[str]:
    """Distributions in the answer of `pip list --format=json` that a small install has not."""
    names = {entry["name"].lower().replace("_", "-") for entry in json.loads(listed)}
    return sorted(names - SMALL_INSTALL)


def contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel: name -> checksum."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def complaints_about_wheel(from_sdist: Path, from_tree: Path) -> list[str]:
    """One sentence for each thing wrong with the files of the wheels."""
    held = contents(from_sdist)
    names = list(held)
    return [
        *(f"{name} would enter site-packages under a name of its own" for name in strangers(names)),
        *(f"the wheel lacks backproof/_suite/{part}" for part in missing(names)),
        *(f"{name} is a written report and was packed" for name in written(names)),
        *(
            f"{name} differs between the wheel of the sdist and the wheel of the tree"
            for name in difference(held, contents(from_tree))
        ),
    ]


def complaints_about_use(python: str) -> list[str]:
    """One sentence for each command that fails in a folder where the suite's names are taken."""
    with tempfile.TemporaryDirectory() as folder:
        take_the_names(Path(folder))
        token = run([python, "-P", "-c", TOKEN], folder).stdout.strip()
        program = [str(Path(python).with_name("backproof"))]
        calls = [
            [*start, *words]
            for start in (program, [python, "-m", "backproof"])
            for words in (["--version"], ["--help"], ["replay", token])
        ]
        calls.append([*program, "grade", "class", "--rubric", "rubric.toml"])
        calls.append([python, "-c", DOOR])  # without -P: their folder comes first on the path
        return [said for call in calls if (said := complaint(call, folder))]


def take_the_names(folder: Path) -> None:
    """Write the learner's files, each of which raises when it is imported."""
    for name in TAKEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(TRAP, encoding="utf-8")
    (folder / "class" / "ada").mkdir(parents=True)
    (folder / "class" / "ada" / "my_net.py").write_text(TRAP, encoding="utf-8")
    (folder / "rubric.toml").write_text(RUBRIC, encoding="utf-8")


def complaint(call: list[str], folder: str) -> str:
    """Nothing, or the sentence that says how a call went wrong."""
    done = run(call, folder)
    said = (done.stderr or done.stdout).strip().splitlines()
    if done.returncode != 0:
        return f"{' '.join(call)} ended with exit code {done.returncode}: {said[-1:]}"
    if not done.stdout.strip():
        return f"{' '.join(call)} said nothing"
    return ""


def run(call: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    print("  $", " ".join(call), flush=True)
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, encoding="utf-8")


def main(from_sdist: str, from_tree: str, python: str) -> int:
    """Run all checks; 0 where nothing is wrong."""
    (ours,), (other,) = Path(from_sdist).glob("*.whl"), Path(from_tree).glob("*.whl")
    listed = run([python, "-m", "pip", "list", "--format=json"], from_sdist).stdout
    found = [
        *complaints_about_wheel(ours, other),
        *(f"a plain install pulled {name}" for name in brought_along(listed)),
        *complaints_about_use(python),
    ]
    for sentence in found:
        print("WRONG:", sentence)
    if not found:
        print(f"{ours.name}: only backproof enters site-packages, the install is small, it works")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
