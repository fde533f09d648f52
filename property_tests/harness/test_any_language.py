"""The examples in C and JavaScript: right as they stand, and each planted mistake is named."""

import csv
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backproof import cli, json_lines
from backproof.case import Case
from backproof.errors import TargetError
from backproof.target import Target
from backproof.tokens import token_of
from property_tests.harness.runners import BRISK
from property_tests.harness.test_protocol_page import transcript

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# Every width and the number of rows differ, and nothing is symmetric, so no mistake can hide.
DEEP = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), n=6, seed=1)
CLASSES = Case((4, 3, 5), ("relu", "softmax"), "cross_entropy", reduction="mean", n=2, seed=9)


def compiled(source: Path, folder: Path) -> str:
    program = folder / "backprop"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O0"]
    compiler = shutil.which("cc") or "gcc"
    subprocess.run([compiler, *strict, "-o", str(program), str(source), "-lm"], check=True)
    return f"cmd:{program}"


def interpreted(source: Path, folder: Path) -> str:
    return f"cmd:{shlex.join(['node', str(source)])}"


@dataclass(frozen=True)
class Language:
    """source: of the example   command: makes it run"""

    source: Path
    command: Callable[[Path, Path], str]

    def written(self, folder: Path, *changes: tuple[str, str]) -> str:
        """The example with some text instead of other; what a user types to name it."""
        text = self.source.read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = folder / self.source.name
        path.write_text(text, encoding="utf-8")
        return self.command(path, folder)


def has_compiler() -> bool:
    return bool(shutil.which("cc") or shutil.which("gcc"))


def has_node() -> bool:
    if not shutil.which("node"):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return int(version.stdout.removeprefix("v").partition(".")[0]) >= 18


C = Language(EXAMPLES / "c" / "backprop.c", compiled)
JAVASCRIPT = Language(EXAMPLES / "javascript" / "backprop.mjs", interpreted)

needs_c = pytest.mark.skipif(not has_compiler(), reason="no C compiler (cc or gcc) is installed")
needs_node = pytest.mark.skipif(not has_node(), reason="no Node 18 or newer is installed")
languages = pytest.mark.parametrize(
    "language",
    [pytest.param(C, marks=needs_c, id="C"), pytest.param(JAVASCRIPT, marks=needs_node, id="JS")],
)


def verify(spec: str, folder: Path, *words: str) -> int:
    return cli.main(
        ["verify", "--impl", spec, "--oracles", "exact", "--out", str(folder / "out"), *words]
    )


@languages
def test_an_example_agrees_in_all_that_it_claims(
    language: Language, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = language.written(tmp_path)
    assert verify(spec, tmp_path, "--cases", "60") == 0
    said = capsys.readouterr().out
    assert re.search(rf"{re.escape(language.source.name)} agrees in .* 60 cases.*: 0 wrong", said)
    assert "3 of 6 losses" in said


MISTAKES = [
    (C, "AT(delta, i, j) *= q->g[l - 1]->g_prime(AT(O[l], i, j));", ";", DEEP, "W1 b1 W2 b2"),
    (C, "return 1 - o * o;", "return 1 - o;", DEEP, "W1 b1 W2 b2 W3 b3"),
    (C, "i < A.rows; i++) AT(sum", "i < 1; i++) AT(sum", DEEP, "b1 b2 b3"),
    (C, "delta, i, j) /= O.rows", "delta, i, j) /= O.columns", CLASSES, "W1 b1 W2 b2"),
    (JAVASCRIPT, "d * gPrime(outputs[l][i][j])", "d", DEEP, "W1 b1 W2 b2"),
    (JAVASCRIPT, "(o) => 1 - o * o", "(o) => 1 - o", DEEP, "W1 b1 W2 b2 W3 b3"),
    (JAVASCRIPT, "transpose(delta).map(sum)", "delta[0]", DEEP, "b1 b2 b3"),
    (JAVASCRIPT, "return exps.map((e) => e / total)", "return exps", CLASSES, "W1 b1 W2 b2"),
]


@pytest.mark.parametrize(
    ("language", "old", "new", "case", "wrong"),
    [
        pytest.param(*mistake, id=mistake[1], marks=needs_c if mistake[0] is C else needs_node)
        for mistake in MISTAKES
    ],
)
def test_a_planted_mistake_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    language: Language,
    old: str,
    new: str,
    case: Case,
    wrong: str,
) -> None:
    spec = language.written(tmp_path, (old, new))
    tokens = tmp_path / "tokens.txt"
    tokens.write_text(token_of(case) + "\n", encoding="utf-8")
    assert verify(spec, tmp_path, "--cases-from", str(tokens)) == 1
    name = re.escape(language.source.name)
    sentence = rf"{name}: d(\w)_(\d)\[[\d, ]+\] = \S+, but exact says \S+ \(layer \2, "
    found = re.search(sentence, capsys.readouterr().out)
    assert found is not None
    assert found[1] + found[2] in wrong.split()
    with (tmp_path / "out" / "agreement.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["verdict"] == "wrong" and row["layer"]]
    assert {row["parameter"].removeprefix("d") + row["layer"] for row in rows} == {*wrong.split()}


@needs_c
def test_the_c_example_says_what_stands_on_the_page(tmp_path: Path) -> None:
    asked, answers = transcript()
    program = C.written(tmp_path).removeprefix("cmd:")
    told = "".join(f"{line}\n" for line in asked)
    done = subprocess.run([program], input=told, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == answers


@needs_node
def test_the_javascript_example_gives_the_numbers_on_the_page(tmp_path: Path) -> None:
    asked, answers = transcript()
    words = shlex.split(JAVASCRIPT.written(tmp_path).removeprefix("cmd:"))
    told = "".join(f"{line}\n" for line in asked)
    done = subprocess.run(words, input=told, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == answers[1:]


@needs_c
def test_a_forgotten_flush_is_guessed(tmp_path: Path) -> None:
    spec = C.written(tmp_path, ("fflush(stdout); /* the harness waits for the line */", ""))
    with pytest.raises(TargetError, match=r"Is its stdout flushed after each line\?"):
        Target(spec, replace(BRISK, load=0.7))


@languages
def test_an_example_names_what_it_cannot_answer(language: Language, tmp_path: Path) -> None:
    words = shlex.split(language.written(tmp_path).removeprefix("cmd:"))
    question = json.loads(json_lines.question(DEEP, 1, "rows"))
    odd = [
        question | {"loss": "cross_entropy_with_logits"},
        question | {"activations": ["tanh", "swish", "tanh"]},
        question | {"weights": []},
    ]
    told = "".join(f"{json.dumps(line)}\n" for line in odd)
    done = subprocess.run(words, input=told, capture_output=True, text=True, check=True)
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["errored"] * 3


@needs_c
def test_the_c_example_survives_every_line_that_is_cut_off(tmp_path: Path) -> None:
    program = C.written(tmp_path).removeprefix("cmd:")
    whole = json_lines.question(Case((2, 3, 1), ("relu", "identity"), n=2), 7, "rows").rstrip()
    told = b"".join(whole[:end] + b"\n" for end in range(len(whole) + 1))
    done = subprocess.run([program], input=told, capture_output=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["kind"] for answer in answers] == ["errored"] * len(whole) + ["result"]
