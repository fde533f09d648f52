"""`backproof test`: from the words of the command line to a pytest session and its exit code."""

import argparse
import os
from importlib import util
from pathlib import Path
from typing import Any

from backproof.errors import MissingExtraError
from backproof.request import Request

# Named, not imported: pytest loads its plugins itself.
PLUGIN = "property_tests.learner_session"
TESTS = Path(__file__).with_name("learner_session_tests.py")
CONFIGURATION = Path(__file__).with_name("learner_session.ini")
# pytest's: all passed, some failed, interrupted, internal error, wrong usage, nothing collected.
_EXIT_CODES = {0: 0, 1: 1, 2: 130, 3: 2, 4: 2, 5: 3}


def run(options: argparse.Namespace) -> int:
    """The session, in this process; an exit code of ours. Raises MissingExtraError."""
    for name in ("pytest", "hypothesis"):
        if util.find_spec(name) is None:
            raise MissingExtraError(
                f"test needs {name}: python -m pip install 'backproof[suite]'; "
                "`backproof check` climbs the same ladder without it."
            )
    import pytest

    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):  # meant for the learner's own tests
        os.environ.pop(name, None)
    request = Request(options.implementation, options.adapter, options.strict)
    words = arguments(request, options.for_pytest)
    return _EXIT_CODES.get(int(pytest.main(words)), 2)


def arguments(request: Request, options: list[str]) -> list[str]:
    """The words for pytest. options: the user's own, which come last"""
    words: list[Any] = ["-p", PLUGIN, "-p", "no:cacheprovider", "--noconftest"]
    words += ["-c", CONFIGURATION, "--rootdir", TESTS.parent, "--backproof-target", request.spec]
    if request.adapter is not None:
        words += ["--backproof-adapter", request.adapter]
    if request.strict:
        words += ["--backproof-strict"]
    return [*map(str, words), str(TESTS), *options]
