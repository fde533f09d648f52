"""A function that is judged where it lives: in the caller's own process, a notebook or a test.

It is asked by the same code as in a child process (`contract.Function`), through the same messages;
only no pipe lies in between. So nothing holds it: an endless loop ends with Ctrl-C, and a crash is
the caller's. What can be put back is put back: see `as_it_was`.
"""

import inspect
import io
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backproof import protocol
from backproof.case import Case
from backproof.contract import CONTRACT, Function
from backproof.drawing import Array
from backproof.errors import TargetError
from backproof.line import Limits, Line, Place, answers, arrays_of
from backproof.loading import LoadError, on_the_contract
from backproof.protocol import question_of
from backproof.target import Target

NOT_ISOLATED = (
    "not isolated: it ran in this process, without a deadline and without a limit of memory"
)
_MOST_PRINTED = 4096


@contextmanager
def as_it_was() -> Iterator[None]:
    """Meanwhile warnings are quiet and NumPy's errors are as in a fresh process.

    Afterwards these, and the random numbers of `random` and `numpy.random`, go on as if nothing
    had been asked. A project in which warnings are errors gets the verdict that all others get.
    """
    numbers, numpy_numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 - the caller's
    fresh = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    try:
        with warnings.catch_warnings(), fresh:
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(numbers)
        np.random.set_state(numpy_numbers)  # noqa: NPY002


class InProcess(Target):
    """A function on the contract, called in this process.

    name: the function's   The rest is as of every `Target`; `forget` can forget nothing here.
    Raises TargetError for what cannot be called so: one sentence.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TargetError(
                f"`fn` is a {type(function).__name__}; give a function {CONTRACT}, or where one "
                'stands: "my_net.py".'
            )
        name = getattr(function, "__name__", type(function).__name__)
        shown = f"{getattr(function, '__module__', None) or '__main__'}.{name}"
        self._limits = Limits(memory=None)
        self._place = Place(shown, str(file_of(function) or ""), "", name)
        self._begin(_LocalLine(function, self._place, self._limits))


def file_of(function: Callable[..., Any]) -> Path | None:
    """The file that a function was written in, where there is one."""
    try:
        path = Path(inspect.getsourcefile(inspect.unwrap(function)) or "")
    except (TypeError, ValueError):  # it is none of Python's own, or wraps itself
        return None
    return path if path.is_file() else None


class _LocalLine(Line):
    """The line to a function that is already here."""

    def __init__(self, function: Callable[..., Any], place: Place, limits: Limits) -> None:
        self._function, self._place, self._limits = function, place, limits
        self._asked, self._interrupted, self._tail = 0, False, ""
        self.memory_limited = False

    @property
    def printed(self) -> str:
        return self._tail

    def start(self) -> dict[str, Any]:
        """What the function's signature asks for. Raises TargetError."""
        place = self._place
        # Where a notebook's cell has no file, the frames of the cell are still the function's own.
        written = getattr(getattr(self._function, "__code__", None), "co_filename", place.file)
        try:
            self._learner: Function = on_the_contract(
                self._function, Path(written).parent, place.shown, place.function or "backprop"
            )
        except LoadError as error:
            raise TargetError(str(error)) from None
        self._learner = replace(self._learner, function=self._stopped_by_ctrl_c)
        return self._learner.told()

    def _asked_for(
        self, kind: str, case: Case, how: dict[str, Any], deadline: float
    ) -> protocol.Message:
        self._asked += 1
        question = question_of(case, self._asked) | how
        message = _as_sent(kind, question, arrays_of(case))
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            ask = self._learner.exactly if kind == "exactly" else self._learner.answer
            answer = _as_sent(*ask(message))
        self._tail = printed.getvalue()[-_MOST_PRINTED:]
        if self._interrupted:
            raise KeyboardInterrupt
        assert answers(answer, question, case)  # it was made here, by our own code
        return answer

    def _stopped_by_ctrl_c(self, *args: Any, **kwargs: Any) -> Any:
        """The function. Whoever asks it catches every exception; this one is the user's."""
        try:
            return self._function(*args, **kwargs)
        except KeyboardInterrupt:
            self._interrupted = True
            raise

    def forget(self) -> None:
        """Nothing: what it keeps, it keeps."""

    def close(self) -> None:
        """Nothing was opened."""


def _as_sent(kind: str, fields: dict[str, Any], arrays: dict[str, Array]) -> protocol.Message:
    """A message as the other end of a pipe would read it: tuples are lists, arrays read-only."""
    message = protocol.read(io.BytesIO(protocol.encode(kind, fields, arrays)))
    assert message is not None
    return message
