"""The Python doors: what a notebook and a test file call. Meanwhile the suite is borrowed.

backproof.check(backprop)            # in a notebook: a table; `assert` it in a test

@backproof.checks(backprop)          # in a test file: one pytest test per check of the ladder
def test_my_backprop(check):
    check()
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backproof import suite
from backproof.checked import Check
from backproof.errors import TargetError
from backproof.in_process import as_it_was, file_of
from backproof.notebook import CheckReport
from backproof.request import Request
from backproof.settings import settings_for

Backprop = Callable[..., Any] | str | Path


def check(
    fn: Backprop,
    *,
    strict: bool = False,
    all: bool = False,
    oracles: Sequence[str] = (),
    adapter: str | Path | None = None,
) -> CheckReport:
    """Put the ladder to one implementation, as `backproof check` does.

    fn: a function `backprop(weights, biases, X, Y, activations, loss)`, which is called in this
        very process (not isolated: a crash is yours, Ctrl-C ends a loop); or a text or path as on
        the command line, which gets a process of its own
    strict, all, adapter: as `--strict`, `--all`, `--adapter`
    oracles: other witnesses that are heard afterwards, "finite_difference", "torch_autograd",
        "jax_grad"; a framework among them is imported into this process

    What the function is given are copies. Random numbers, NumPy's error state and the warnings
    filters are afterwards as they were.
    Raises TargetError for what cannot be called, BackproofError for a backproof.toml that cannot
    be read; a wrong gradient raises nothing.
    """
    with _open():
        return _checked(request_for(fn, strict, adapter), all, tuple(oracles))


def promised(request: Request) -> tuple[Check, ...]:
    """The checks of the ladder for what is claimed, before any is made."""
    with _open():
        from property_tests.check_run import promised

        return promised(request)


def climbed(request: Request) -> CheckReport:
    """The same ladder with its results."""
    with _open():
        return _checked(request, False, ())


@contextmanager
def _open() -> Iterator[None]:
    with suite.borrowed(), as_it_was():
        yield


def _checked(request: Request, everything: bool, oracles: tuple[str, ...]) -> CheckReport:
    from property_tests import check_run

    checked, climb = check_run.check(request)
    if oracles:
        heard = check_run.witnesses(climb.judged, oracles, lambda name, said: None)
        checked = replace(checked, witnesses=heard)
    return CheckReport(checked, replay_of(request), everything)


def request_for(fn: Backprop, strict: bool, adapter: str | Path | None) -> Request:
    """What is asked. Raises TargetError for an `fn` that is neither code nor a place."""
    with suite.borrowed():
        from property_tests.check_command import settings_of

        if isinstance(fn, str | Path):
            of = None if adapter is None else Path(adapter)
            return Request(str(fn), of, strict, settings_of(str(fn)))
        if adapter is not None:
            raise TargetError(
                '`adapter` belongs to a file; give `fn` as one, such as "my_net.py", or a '
                "function on the contract without an adapter."
            )
        file = file_of(fn) if callable(fn) else None
        settings = settings_for(file if file is not None else Path.cwd() / "here")
        return Request(_spec_of(fn, file), None, strict, settings, fn)


def _spec_of(fn: Callable[..., Any], file: Path | None) -> str:
    """FILE:function where that is the same function again; otherwise its name."""
    name = getattr(fn, "__name__", type(fn).__name__)
    on_top = getattr(fn, "__qualname__", "") == name and name.isidentifier()
    if file is None or not on_top or getattr(fn, "__module__", "") == "__main__":
        return name
    return f"{file}:{name}"


def replay_of(request: Request) -> str:
    """The command that shows a case again, with {token} for it; in a notebook, its arrays."""
    from property_tests import check_command

    if request.function is not None and ":" not in request.spec:
        return 'backproof.case_of("{token}").arrays'
    return check_command.replay_of(request.spec, request.adapter)
