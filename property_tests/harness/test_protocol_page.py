"""docs/protocol.md and docs/protocol.schema.json say what the code does, and nothing else.

The session on the page is replayed byte for byte; every message of real sessions fits the schema;
and for a long list of wrong and right answers, schema and code refuse and take the same ones.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from backproof import hello, json_lines, names
from backproof.case import Case
from backproof.claims import HIDDEN
from backproof.gradients import Gradients
from backproof.json_lines import AnswerError
from backproof.protocol import ProtocolError
from backproof.target import Limits, Target
from property_tests.harness.hostile import CASE, answered
from property_tests.harness.json_schema import complaints
from property_tests.harness.runners import BRISK, HELLO, command

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((DOCS / "protocol.schema.json").read_text(encoding="utf-8"))

# What the session on the page is about: small whole numbers, so no machine rounds any of it.
SHOWN = [
    Case((2, 2, 1), ("relu", "identity"), regime="integers", n=3, seed=3),
    Case((2, 1), ("identity",), reduction="mean", bias="none", regime="integers", n=2, seed=3),
]


def transcript() -> tuple[list[str], list[str]]:
    """The lines to the program and those from it."""
    block = PAGE.partition("<!-- transcript -->\n```text\n")[2].partition("```")[0]
    lines = block.splitlines()
    assert all(line.startswith(("-> ", "<- ")) for line in lines)
    asked, answers = ([line[3:] for line in lines if line[:2] == arrow] for arrow in ("->", "<-"))
    return asked, answers


# Reads the page's lines and writes the page's answers, if what it reads is what stands there.
PLAYER = """\
import json, sys
asked, answers = json.loads(open(sys.argv[1], encoding="utf-8").read())
for line in sys.stdin.buffer:
    wanted = asked.pop(0)
    if line.decode() != wanted + "\\n":
        sys.exit("got " + ascii(line) + ", on the page is " + ascii(wanted))
    if answers:
        sys.stdout.write(answers.pop(0) + "\\n")
        sys.stdout.flush()
open(sys.argv[1] + ".heard", "w").write(str(len(asked)))
"""


def player(folder: Path) -> str:
    (folder / "player.py").write_text(PLAYER, encoding="utf-8")
    (folder / "session.json").write_text(json.dumps(transcript()), encoding="utf-8")
    return f"cmd:{sys.executable} -S {folder / 'player.py'} {folder / 'session.json'}"


def test_the_session_on_the_page_is_what_the_harness_says(tmp_path: Path) -> None:
    with Target(player(tmp_path), BRISK) as target:
        assert target.name == "backprop.c"
        for case in SHOWN:
            answered(target, case)
    assert (tmp_path / "session.json.heard").read_text() == "0"  # to the last line, `stop`


def test_a_session_that_differs_by_a_byte_is_seen(tmp_path: Path) -> None:
    spec = player(tmp_path)
    path = tmp_path / "session.json"
    session = path.read_text(encoding="utf-8")
    assert session.count("[3.0,-2.0],") == 2
    path.write_text(session.replace("[3.0,-2.0],", "[3.0,-2.0], "), encoding="utf-8")
    with Target(spec, BRISK) as target:
        assert not isinstance(target.gradients(SHOWN[0]), Gradients)


def test_every_line_on_the_page_fits_the_schema() -> None:
    asked, answers = transcript()
    for line in asked + answers:
        assert complaints(json.loads(line), SCHEMA, SCHEMA) == []


# --- the schema -----------------------------------------------------------------------------------


def test_the_schema_has_the_names_of_the_code() -> None:
    of = {name: entry.get("enum") for name, entry in SCHEMA["$defs"].items()}
    claims = SCHEMA["$defs"]["claims"]["properties"]
    assert tuple(of["activation"]) == names.ACTIVATIONS
    assert tuple(of["elementwise"]) == HIDDEN
    assert tuple(of["loss"]) == names.LOSSES
    assert tuple(of["reduction"]) == names.REDUCTIONS
    assert tuple(of["bias"]) == names.BIASES
    assert tuple(of["dtype"]) == names.DTYPES
    assert tuple(claims["slopes"]["items"]["enum"]) == names.SLOPES
    assert tuple(claims["depths"]["items"]["enum"]) == tuple(range(1, names.MAX_DEPTH + 1))
    assert claims["max_rows"]["maximum"] == names.MAX_BATCH
    assert tuple(claims["losses"]["properties"]) == names.LOSSES
    for loss, outputs in claims["losses"]["properties"].items():
        only = tuple(outputs.get("const", names.ACTIVATIONS))
        assert only == hello.outputs_of(loss)


def test_a_table_on_the_page_lists_every_claim_and_field() -> None:
    for part in ("claims", "hello", "gradients"):
        for key in SCHEMA["$defs"][part]["properties"].keys() - {"kind", "id"}:
            assert re.search(rf"^\| .*`{key}`", PAGE, re.MULTILINE), key
    for name in (*names.LOSSES, *json_lines.GIVES["step"], *json_lines.NOT_FINITE):
        assert name in PAGE


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    limits = Limits()
    assert limits.memory is not None
    page = " ".join(PAGE.split())
    times = (
        f"{limits.load:g} s for `hello`, {limits.first_call:g} s for the first answer, "
        f"{limits.call:g} s for each other"
    )
    assert times in page
    assert f"is limited to {limits.memory / 2**30:g} GiB" in page
    assert f"a line of more than {json_lines.MOST_LINE_BYTES / 2**20:g} MiB" in page
    assert "after three deaths in a row" in page
    assert limits.patience == 3


@pytest.mark.parametrize(
    "case",
    [
        CASE,
        *SHOWN,
        Case((3, 2), ("leaky_relu",), dtype="float32", scale=-12, slope=1 / 4, alpha=2.0**-10),
        Case((2, 3, 2), ("gelu", "softmax"), "cross_entropy", bias="augmented", n=7),
    ],
)
@pytest.mark.parametrize("layout", hello.LAYOUTS)
def test_every_question_fits_the_schema(case: Case, layout: str) -> None:
    line = json_lines.question(case, 1, layout)
    assert complaints(json.loads(line), SCHEMA, SCHEMA) == []
    assert line.isascii()
    assert line.count(b"\n") == 1


def test_start_and_stop_fit_the_schema() -> None:
    for line in (json_lines.start(), json_lines.stop()):
        assert complaints(json.loads(line), SCHEMA, SCHEMA) == []


def test_the_largest_question_fits_into_a_line() -> None:
    depth = names.MAX_DEPTH
    widths = (names.MAX_WIDTH,) * (depth + 1)
    case = Case(widths, ("tanh",) * depth, n=names.MAX_BATCH, scale=-12)
    assert len(json_lines.question(case, 10**9, "rows")) < json_lines.MOST_LINE_BYTES / 2


# --- code and schema refuse the same -------------------------------------------------------------

CLAIMS: dict[str, Any] = HELLO["claims"]
# What is changed in a right `hello`, and whether it is still one.
HELLOS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"version": "1.0", "language": "C", "gives": "step", "layout": "columns"}, True),
    ({"protocol": 2}, False),
    ({"protocol": True}, False),
    ({"protocol": None}, False),
    ({"name": ""}, False),
    ({"name": "my net"}, False),
    ({"name": "x" * 61}, False),
    ({"name": 1}, False),
    ({"name": None}, False),
    ({"version": 1}, False),
    ({"language": "x" * 61}, False),
    ({"gives": "weights"}, False),
    ({"layout": ["rows"]}, False),
    ({"calims": {}}, False),
    ({"claims": None}, False),
    ({"claims": []}, False),
]
CLAIMED: list[tuple[dict[str, Any], bool]] = [
    ({"depths": [1], "hidden": None}, True),
    ({"depths": [1], "hidden": []}, True),
    ({"depths": [1, 2], "hidden": []}, False),
    ({"depths": [1, 2], "hidden": None}, False),
    ({"depths": []}, False),
    ({"depths": None}, False),
    ({"depths": [0]}, False),
    ({"depths": [9]}, False),
    ({"depths": [2, 2]}, False),
    ({"depths": [True]}, False),
    ({"depths": ["2"]}, False),
    ({"depths": [[2]]}, False),
    ({"depths": 2}, False),
    ({"depths": {"2": True}}, False),
    ({"hidden": ["softmax"]}, False),
    ({"hidden": ["Tanh"]}, False),
    ({"hidden": "tanh"}, False),
    ({"hidden": ["tanh", "tanh"]}, False),
    ({"losses": {}}, False),
    ({"losses": ["half_squared_error"]}, False),
    ({"losses": {"half_squared_error": []}}, False),
    ({"losses": {"half_squared_error": "identity"}}, False),
    ({"losses": {"half_squared_error": ["softmax", "identity"]}}, True),
    ({"losses": {"half_squared_error": ["identity", "identity"]}}, False),
    ({"losses": {"cross_entropy": ["softmax"]}}, True),
    ({"losses": {"cross_entropy": ["identity"]}}, False),
    ({"losses": {"cross_entropy": ["softmax", "sigmoid"]}}, False),
    ({"losses": {"squared_error": ["identity"]}}, False),
    ({"losses": None}, False),
    ({"reductions": ["sum", "mean"]}, True),
    ({"reductions": ["average"]}, False),
    ({"reductions": []}, False),
    ({"redutcions": ["sum"]}, False),
    ({"biases": ["none", "augmented"]}, True),
    ({"biases": [None]}, False),
    ({"dtypes": ["float16"]}, False),
    ({"dtypes": None}, False),
    ({"hidden": ["leaky_relu"], "slopes": [0.25]}, True),
    ({"slopes": [0.25, 0.015625]}, True),
    ({"slopes": []}, True),
    ({"slopes": [0.01]}, False),
    ({"slopes": 0.25}, False),
    ({"max_rows": 1}, True),
    ({"max_rows": None}, True),
    ({"max_rows": 0}, False),
    ({"max_rows": 129}, False),
    ({"max_rows": "all"}, False),
    ({"max_rows": True}, False),
]
RESULT: dict[str, Any] = {"kind": "result", "id": 1, "dW": [[[0.5], [2]]], "db": [None]}
ANSWERS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"dW": [[["NaN"], ["-Infinity"]]]}, True),
    ({"dW": [[["nan"], [1]]]}, False),
    ({"dW": [[[None], [1]]]}, False),
    ({"dW": [[[True], [1]]]}, False),
    ({"dW": [[0.5, 2]]}, False),
    ({"dW": [0.5, 2]}, False),
    ({"dW": []}, False),
    ({"dW": None}, False),
    ({"db": None}, False),
    ({"db": [[]]}, False),
    ({"db": 0}, False),
    ({"loss": 1.0}, False),
    ({"id": None}, False),
    ({"id": "1"}, False),
    ({"id": True}, False),
    ({"kind": "Result"}, False),
    ({"kind": None}, False),
    ({"kind": "skipped", "dW": None, "db": None, "reason": "later"}, True),
    ({"kind": "skipped", "dW": None, "db": None}, False),
    ({"kind": "skipped", "dW": None, "db": None, "reason": None}, False),
    ({"kind": "skipped", "dW": None, "db": None, "reason": 1}, False),
    ({"kind": "skipped", "reason": "later"}, False),
    ({"kind": "errored", "dW": None, "db": None, "message": "no"}, True),
    ({"kind": "errored", "dW": None, "db": None, "message": "no", "traceback": "at 1"}, True),
    ({"kind": "errored", "dW": None, "db": None, "message": "no", "traceback": 1}, False),
    ({"kind": "errored", "dW": None, "db": None, "message": ["no"]}, False),
]


def changed(message: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """None takes a key away."""
    both = {**message, **change}
    return {key: value for key, value in both.items() if key not in change or value is not None}


def takes_hello(message: dict[str, Any]) -> bool:
    try:
        hello.hello_in(message)
    except AnswerError:
        return False
    return True


def takes_answer(message: dict[str, Any]) -> bool:
    """As `ProgramLine` looks at the answer to its first question."""
    case = Case((2, 1), ("identity",), bias="none")
    line = json.dumps(message).encode()
    try:
        fields = json_lines.message_in(line, "result", "skipped", "errored")
        if type(fields.get("id")) is not int:
            return False
        if fields["kind"] == "result":
            json_lines.gradient_in(fields, case, "gradient", "rows")
        else:
            json_lines.text_in(fields, "reason" if fields["kind"] == "skipped" else "message")
    except (AnswerError, ProtocolError):
        return False
    return True


@pytest.mark.parametrize(("change", "right"), HELLOS, ids=[str(change) for change, _ in HELLOS])
def test_code_and_schema_take_the_same_hello(change: dict[str, Any], right: bool) -> None:
    message = changed(HELLO, change)
    assert takes_hello(message) == right
    assert (complaints(message, SCHEMA, SCHEMA) == []) == right


@pytest.mark.parametrize(("change", "right"), CLAIMED, ids=[str(change) for change, _ in CLAIMED])
def test_code_and_schema_take_the_same_claims(change: dict[str, Any], right: bool) -> None:
    message = HELLO | {"claims": changed(CLAIMS, change)}
    assert takes_hello(message) == right
    assert (complaints(message, SCHEMA, SCHEMA) == []) == right


def test_leaky_relu_wants_its_slopes_named() -> None:
    """The one rule that stands on the page and not in the schema, where it would fill it."""
    claims = CLAIMS | {"hidden": ["leaky_relu"]}
    with pytest.raises(AnswerError, match=r"`claims.slopes` is missing; list some of "):
        hello.hello_in(HELLO | {"claims": claims})


@pytest.mark.parametrize(("change", "right"), ANSWERS, ids=[str(change) for change, _ in ANSWERS])
def test_code_and_schema_take_the_same_answer(change: dict[str, Any], right: bool) -> None:
    message = changed(RESULT, change)
    assert takes_answer(message) == right
    fits = complaints(message, SCHEMA, SCHEMA) == []
    assert fits == right or (fits and "id" not in message)  # `errored` may answer `start`


def test_a_claim_is_read_in_the_order_of_the_closed_lists() -> None:
    claims = CLAIMS | {
        "hidden": ["tanh", "identity"],
        "losses": {"cross_entropy": ["softmax"], "half_squared_error": ["tanh", "sigmoid"]},
    }
    found = hello.hello_in(HELLO | {"claims": claims}).claims
    assert found.hidden == ("identity", "tanh")
    assert found.losses == ("half_squared_error", "cross_entropy")
    assert found.activations == ("identity", "sigmoid", "tanh", "softmax")
    assert found.combinations == (
        ("sigmoid", "half_squared_error"),
        ("tanh", "half_squared_error"),
        ("softmax", "cross_entropy"),
    )
    assert (found.depths, found.max_rows) == ((2,), 128)


def test_the_validator_knows_no_word_that_it_passes_over() -> None:
    with pytest.raises(KeyError, match="contains"):
        complaints([1], {"contains": {"const": 2}}, SCHEMA)


def test_messages_of_a_real_session_fit_the_schema(tmp_path: Path) -> None:
    top = """
wire = open(sys.argv[0] + ".wire", "w")
def say(message):
    wire.write(json.dumps(message) + "\\n")
    write(json.dumps(message) + "\\n")
sys.stdin = (line for line in sys.stdin if wire.write(line))
"""
    with Target(command(tmp_path, top=top), BRISK) as target:
        answered(target, CASE)
        answered(target, CASE)
    lines = (tmp_path / "runner.py.wire").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["start", "hello", "gradients", "result", "gradients", "result", "stop"]
    for line in lines:
        assert complaints(json.loads(line), SCHEMA, SCHEMA) == []
