"""A class to try `backproof grade` on: submissions with planted mistakes, and hostile ones.

    python -m property_tests.class_of_mistakes DIR --students 200

Each student's file differs from all others: names, spelling and comments vary, as in a class. The
same number of students gives the same files.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from property_tests.planted import EXAMPLE, PLANTED

# Twelve mistakes, one for every kind of rung that can break; every thirteenth student is right.
MISTAKES = (
    *("transposed", "derivative_at_activation", "no_hidden_derivative", "db_mean", "db_first_row"),
    *("db_zero", "dW_1_zero", "tanh_derivative", "relu_sign", "softmax_diagonal"),
    *("mean_twice", "crash"),
)

HOSTILE = {
    "syntax_error": "def backprop(weights, biases, X, Y, activations, loss:\n    return\n",
    "no_function": "import numpy as np\n",
    "endless": "def backprop(weights, biases, X, Y, activations, loss):\n    while True: pass\n",
    "endless_import": "while True: pass\n",
    "exits": (
        "import os\ndef backprop(weights, biases, X, Y, activations, loss):\n    os._exit(0)\n"
    ),
    "huge": (
        "import numpy as np\ndef backprop(weights, biases, X, Y, activations, loss):\n"
        "    return np.ones((30 * 2**30,), dtype=np.uint8), None\n"
    ),
    "loud": "for i in range(10**6):\n    print('line', i)\n",  # and then the right program
}


def source_of(mistake: str, variation: int) -> str:
    """The example with one planted mistake ("" for none), in somebody's own spelling."""
    source = EXAMPLE.read_text(encoding="utf-8")
    changes = next((bug.changes for bug in PLANTED if bug.name == mistake), ())
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(f"{mistake}: {old!r} occurs {source.count(old)} times")
        source = source.replace(old, new)
    delta = ("delta", "d", "err_signal", "dZ")[variation % 4]
    if delta != "delta":
        source = source.replace("output_delta", "last").replace("delta", delta)
    if variation % 3 == 1:
        source = source.replace("Os[", "outputs[").replace("Os.", "outputs.")
        source = source.replace("Zs, Os =", "Zs, outputs =")
    return f"{source}\n# submission {variation}\n"


def write_class(folder: Path, students: int) -> dict[str, str]:
    """Student -> mistake, "" for a right one. Files are `folder/<student>/my_net.py`."""
    written: dict[str, str] = {}
    for number in range(students):
        mistake = ("", *MISTAKES)[number % (len(MISTAKES) + 1)]
        name = f"student_{number:03d}"
        _write(folder, name, source_of(mistake, number))
        written[name] = mistake
    return written


def write_hostile(folder: Path, names: Sequence[str] = tuple(HOSTILE)) -> None:
    """Submissions that loop, die or shout, each as `folder/<its name>/my_net.py`."""
    for name in names:
        _write(folder, name, HOSTILE[name] + (source_of("", 0) if name == "loud" else ""))


def _write(folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "my_net.py").write_text(source, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a class."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.class_of_mistakes")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--hostile", action="store_true", help="and those that loop or die")
    options = parser.parse_args(arguments)
    write_class(options.folder, options.students)
    if options.hostile:
        write_hostile(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
