"""A program in the language of the protocol that is right but for one deed."""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backproof.target import Limits, Target

BRISK = Limits(first_call=1.0, call=1.0)
UNQUOTED = 'what is not finite goes as the string "NaN", "Infinity" or "-Infinity"'

# Right for tanh below identity with the article's loss, in lists, with nothing but the standard
# library; does what {deed} says in the case that has sigmoid below.
RUNNER = """\
import json, math, os, signal, subprocess, sys, time

HELLO = {hello}

def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def say(message):
    write(json.dumps(message) + "\\n")

def product(A, B):
    return [[math.fsum(map(float.__mul__, row, column)) for column in zip(*B)] for row in A]

def turned(A):
    return [list(row) for row in zip(*A)]

def result(q):
    (W1, W2), (b1, b2), X, Y = q["weights"], q["biases"], q["X"], q["Y"]
    O1 = [[math.tanh(z + b) for z, b in zip(row, b1)] for row in product(X, W1)]
    O2 = [[z + b for z, b in zip(row, b2)] for row in product(O1, W2)]
    d2 = [[o - y for o, y in zip(*rows)] for rows in zip(O2, Y)]
    d1 = [[d * (1 - o * o) for d, o in zip(*rows)] for rows in zip(product(d2, turned(W2)), O1)]
    dW = [product(turned(X), d1), product(turned(O1), d2)]
    db = [[math.fsum(column) for column in zip(*delta)] for delta in (d1, d2)]
    return dict(kind="result", id=q["id"], dW=dW, db=db)

def leave_a_mark():
    open(sys.argv[0] + ".mark", "w").close()

{top}

for line in sys.stdin:
    question = json.loads(line)
    if question["kind"] == "start":
        say(HELLO)
    elif question["kind"] == "gradients":
        answer, n = result(question), len(question["X"])
        if question["activations"][0] == "sigmoid":
            {deed}
        say(answer)
    else:
        break
"""

HELLO: dict[str, Any] = {
    "kind": "hello",
    "protocol": 1,
    "name": "runner",
    "claims": {
        "depths": [2],
        "hidden": ["tanh", "sigmoid"],
        "losses": {"half_squared_error": ["identity"]},
        "reductions": ["sum"],
        "biases": ["separate"],
        "dtypes": ["float64"],
        "max_rows": 128,
    },
}


def command(
    folder: Path, deed: str = "pass", *, top: str = "", hello: dict[str, Any] = HELLO
) -> str:
    """Write the program; what a user would type to name it."""
    path = folder / "runner.py"
    indented = deed.replace("\n", "\n" + " " * 12)
    path.write_text(RUNNER.format(hello=repr(hello), top=top, deed=indented), encoding="utf-8")
    return "cmd:" + shlex.join([sys.executable, "-S", "-E", str(path)])


def wait_for_mark(folder: Path) -> None:
    """Until the program has said `leave_a_mark()`: a busy machine is no failure."""
    deadline = time.monotonic() + 20
    while not (folder / "runner.py.mark").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def running(
    folder: Path, deed: str = "pass", *, top: str = "", limits: Limits = BRISK
) -> Iterator[Target]:
    with Target(command(folder, deed, top=top), limits) as target:
        yield target
