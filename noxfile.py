"""What a contributor can ask for, one session each: `python -m nox -l` lists them.

`python -m pip install nox` is all that has to be there. The session `workshop` installs everything
else once, and the others run inside it; later starts find it ready and take a second or two.
Words after `--` go to the program behind the session: `python -m nox -s tests -- -k batch -x`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["tests"]  # a bare `nox` does what somebody who changed a line wants to know

ROOT = Path(__file__).parent.resolve()
CONSTRAINTS = ROOT / "constraints.txt"
PYPROJECT = ROOT / "pyproject.toml"
INTERRUPTED = "the setup has begun and not ended\n"
REPORT = ROOT / "reports" / "out"

AFTER_TESTS = (
    "one test again: python -m nox -s tests -- ID, with its ID from the lines FAILED above",
    "all that failed again: python -m nox -s tests -- --last-failed",
    "the same random cases again: add the --hypothesis-seed that the first lines above name",
    "what the tests are: CONTRIBUTING.md, `Tests`; what the verdicts mean: README.md, "
    "`Reading a verdict`",
)

GROUPS = nox.project.dependency_groups(
    nox.project.load_toml(PYPROJECT), "test", "lint", "types", "build"
)

# Installed in this order, so that no minute passes without a line saying what is going on. The last
# step is the project itself, built by the hatchling of the first: so that one is pinned as well.
STEPS = [
    ("the tools of tests, lint, types and package", GROUPS),
    ("NumPy, SciPy, pandas, scikit-learn", ["numpy", "scipy", "pandas", "scikit-learn"]),
    ("PyTorch, the largest of all", ["torch"]),
    ("JAX", ["jax"]),
    ("backproof itself, editable", ["--no-build-isolation", "--editable", ".[all]"]),
]


@nox.session(venv_backend="virtualenv", reuse_venv=True)
def workshop(session: nox.Session) -> None:
    """Install everything that the other sessions run in, once, through constraints.txt."""
    if sys.version_info < (3, 11):  # noqa: UP036 - nox itself runs on older ones
        session.error(f"backproof needs Python 3.11 or newer; nox runs on {sys.version.split()[0]}")
    home = Path(session.virtualenv.location)
    stamp = home / "backproof-workshop.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == _fingerprint(home):
        session.log("the workshop is ready (delete .nox/workshop to have it made again)")
        return
    session.log("setting up the workshop: 0.4 GB to fetch, 1.8 GB on disk, some minutes")
    _start_over_if_interrupted(session, home, stamp)
    stamp.write_text(INTERRUPTED, encoding="utf-8")
    began = time.monotonic()
    for number, (what, packages) in enumerate(STEPS, start=1):
        session.log(f"step {number} of {len(STEPS)}: {what} ({time.monotonic() - began:.0f} s)")
        _pip_install(session, *packages)
    stamp.write_text(_fingerprint(home), encoding="utf-8")
    session.log(f"the workshop is ready after {time.monotonic() - began:.0f} s")
    _name_the_torch(session)


@nox.session(venv_backend="none", requires=["workshop"])
def tests(session: nox.Session) -> None:
    """Run all tests with pytest; `-- --hypothesis-profile=nightly` looks longer."""
    try:
        # Which folder, pyproject.toml says: so a test that is named after `--` runs alone.
        _in_workshop(session, "-m", "pytest", *session.posargs)
    finally:  # also and above all where one failed
        for line in AFTER_TESTS:
            session.log(line)


@nox.session(venv_backend="none", requires=["workshop"])
def report(session: nox.Session) -> None:
    """Put the reference on trial, random cases and real data; writes reports/out/index.html."""
    words = ["--cases", "1000", "--seed", "0", "--data", "all", "--out", str(REPORT)]
    # A repeated option counts the last time it is given, so what follows `--` wins.
    page = Path(_last_value_of("--out", [*words, *session.posargs])).resolve() / "index.html"
    try:
        _in_workshop(session, "-m", "backproof", "verify", *words, *session.posargs)
    finally:  # a report that found something wrong is the one to look at
        session.log(f"open {page}" if page.is_file() else f"no report was written to {page.parent}")


@nox.session(venv_backend="none", requires=["workshop"])
def bench(session: nox.Session) -> None:
    """Measure the speed that the README promises, as ratios on this machine."""
    _in_workshop(session, "-m", "property_tests.bench", *session.posargs)


@nox.session(venv_backend="none", requires=["workshop"])
def gates(session: nox.Session) -> None:
    """Measure the bound on the frozen lists, over an hour; `-- --scale ci` takes a minute."""
    _in_workshop(session, "-m", "property_tests.gates", "--scale", "full", *session.posargs)


@nox.session(venv_backend="none", requires=["workshop"])
def hunt(session: nox.Session) -> None:
    """Hunt for a case that breaks the bound, ten minutes; `-- --minutes 60 --seed 5`."""
    _in_workshop(session, "-m", "property_tests.hunting", *session.posargs)


@nox.session(venv_backend="none", requires=["workshop"])
def lint(session: nox.Session) -> None:
    """Check style with ruff: rules, then formatting (`-- --fix` repairs both)."""
    fix = "--fix" in session.posargs
    _in_workshop(session, "-m", "ruff", "check", *(["--fix"] if fix else []), ".")
    _in_workshop(session, "-m", "ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session(venv_backend="none", requires=["workshop"])
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    _in_workshop(session, "-m", "mypy", *session.posargs)


@nox.session(venv_backend="virtualenv", reuse_venv=True)
def package(session: nox.Session) -> None:
    """Build sdist and wheel; try the wheel in an empty environment, as a learner would."""
    session.log("installing the build tools")
    _pip_install(session, "--quiet", "hatchling", "build", "virtualenv")
    scratch = Path(session.create_tmp()).resolve()
    shutil.rmtree(scratch)  # nothing of an earlier run may be taken for this one's
    scratch.mkdir()
    built, of_tree, empty = scratch / "dist", scratch / "of_tree", scratch / "empty"
    session.log("building the sdist, the wheel from it, and the wheel from the tree itself")
    build = ["-m", "build", "--no-isolation", str(ROOT), "--outdir"]
    session.run("python", *build, str(built))
    session.run("python", *build, str(of_tree), "--wheel")
    (wheel,) = built.glob("*.whl")
    session.log("installing the wheel, without extras, into an empty environment")
    session.run("python", "-m", "virtualenv", "--quiet", str(empty))
    python = str(_python_of(empty))
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), str(wheel)]
    session.run(python, *install, external=True)
    session.log("using it beside a project that has its own reports.py and oracles/")
    check = ROOT / "property_tests" / "harness" / "check_wheel.py"
    session.run("python", "-P", str(check), str(built), str(of_tree), python)
    session.log(f"built: {', '.join(sorted(path.name for path in built.iterdir()))} in {built}")


def _fingerprint(home: Path) -> str:
    """What the workshop depends on: the files, the Python, and where the clone lies.

    An editable install knows its clone by an absolute path, so a moved clone needs a new one.
    """
    lines = [f"clone {ROOT}"]
    for path in (PYPROJECT, CONSTRAINTS, home / "pyvenv.cfg"):
        held = path.read_bytes() if path.is_file() else b""
        lines.append(f"{path.name} {hashlib.sha256(held).hexdigest()}")
    return "\n".join(lines) + "\n"


def _start_over_if_interrupted(session: nox.Session, home: Path, stamp: Path) -> None:
    """Empty a workshop whose last setup did not reach its end.

    Half-written packages can look installed to pip. A half-made environment has no pip, or, without
    its pyvenv.cfg, the pip of the Python that it was made from.
    """
    unfinished = stamp.is_file() and stamp.read_text(encoding="utf-8") == INTERRUPTED
    pip = subprocess.run([_python_of(home), "-m", "pip", "--version"], capture_output=True)
    if (home / "pyvenv.cfg").is_file() and pip.returncode == 0 and not unfinished:
        return
    session.log("the last setup was interrupted: starting over (finished downloads are kept)")
    which = ["--python", session.python] if isinstance(session.python, str) else []
    session.run(sys.executable, "-m", "virtualenv", "--clear", *which, str(home), external=True)


def _pip_install(session: nox.Session, *packages: str) -> None:
    """`pip install` through constraints.txt, with its own progress on a terminal."""
    words = ["--disable-pip-version-check", "--constraint", str(CONSTRAINTS), *packages]
    session.install(*words, silent=False)


def _name_the_torch(session: nox.Session) -> None:
    """Say which build of PyTorch came, for it can be gigabytes of CUDA that nothing here uses."""
    say = "import torch; print('PyTorch', torch.__version__, '- CUDA:', torch.version.cuda)"
    session.run("python", "-c", say, log=False)


def _in_workshop(session: nox.Session, *words: str) -> None:
    """Run the workshop's Python in the clone.

    Under `--force-python 3.13` this session is `lint-3.13` and the workshop lies in workshop-3-13.
    """
    _, dash, forced = session.name.partition("-")
    home = session.cache_dir.parent / f"workshop{dash}{forced.replace('.', '-')}"
    session.run(str(_python_of(home)), *words, external=True)


def _python_of(environment: Path) -> Path:
    windows = environment / "Scripts" / "python.exe"
    return windows if os.name == "nt" else environment / "bin" / "python"


def _last_value_of(option: str, words: list[str]) -> str:
    """The value that argparse takes for a repeated option: `--out A --out=B` gives B."""
    value = ""
    for number, word in enumerate(words):
        if word == option:
            value = words[number + 1]
        elif word.startswith(f"{option}="):
            value = word.removeprefix(f"{option}=")
    return value
