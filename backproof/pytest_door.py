"""`@backproof.checks`: somebody's backprop in their own pytest, one test per check of the ladder.

    @backproof.checks(backprop)
    def test_my_backprop(check):
        check()

A check is one parameter set, with the check's id as its pytest id: `-k tanh`, `--lf` and `-n 4` do
what they always do. The ids follow from what is claimed, so collecting asks the function a few tiny
questions; the ladder is climbed once, when the first check is asked.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backproof import doors
from backproof.checked import CheckResult
from backproof.errors import BackproofError, MissingExtraError
from backproof.notebook import CheckReport, explained
from backproof.request import Request

PROMISED = "promised"
Test = Callable[..., Any]


def checks(
    fn: doors.Backprop, *, strict: bool = False, adapter: str | Path | None = None
) -> Callable[[Test], Test]:
    """One pytest test per check of the ladder, for a test function with an argument `check`.

    fn, strict, adapter: as of `backproof.check`

    What is not claimed, and what stands on a broken rung, is skipped with the reason. What
    `backproof.toml` expects to fail is xfail(strict). A check that could not be decided fails. The
    last test, `promised`, fails if a check of the ladder was not made, or none of them passed.
    A test body that does not call `check()` is asked all the same.
    Raises TargetError for what cannot be called, BackproofError for an expected failure that is no
    check of the ladder, or a test function without `check`.
    """
    _pytest()
    ladder = Ladder(doors.request_for(fn, strict, adapter))

    def decorated(test: Test) -> Test:
        if "check" not in inspect.signature(test).parameters:
            raise BackproofError(
                f"`{test.__name__}` has no argument `check`; write `def {test.__name__}(check):` "
                "and call `check()` in it."
            )

        @functools.wraps(test)
        def asked(*args: Any, check: Asked, **kwargs: Any) -> None:
            __tracebackhide__ = True
            before = check.times
            test(*args, check=check, **kwargs)
            if check.times == before:
                check()

        return _pytest().mark.parametrize("check", ladder.parameters())(asked)

    return decorated


class Ladder:
    """The ladder before one implementation: what is promised at once, the results when asked."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.promised = tuple(check.id for check in doors.promised(request))
        self._report: CheckReport | BaseException | None = None

    def parameters(self) -> list[Any]:
        """One `pytest.param` per check and one for the promise, each with its id."""
        pytest, expected = _pytest(), self.request.settings.expected
        marks = {
            id: pytest.mark.xfail(strict=True, reason=reason, raises=pytest.fail.Exception)
            for id, reason in expected.items()
        }
        found = [
            pytest.param(Asked(self, id), id=id, marks=[marks[id]] if id in marks else [])
            for id in self.promised
        ]
        return [*found, pytest.param(Asked(self, PROMISED), id=PROMISED)]

    def report(self) -> CheckReport:
        """Climbed at the first call. What goes wrong then goes wrong in every check alike."""
        if self._report is None:
            try:
                self._report = self.climbed()
            except Exception as error:
                self._report = error
        if isinstance(self._report, BaseException):
            raise self._report
        return self._report

    def climbed(self) -> CheckReport:
        """The ladder, now."""
        return doors.climbed(self.request)

    def broken_promise(self) -> str:
        """What keeps the whole from meaning something; "" where all was made."""
        checked = self.report().checked
        made = {result.check.id for result in checked.results}
        missing = [id for id in self.promised if id not in made]
        if missing or len(made) != len(self.promised):
            others = [id for id in made if id not in self.promised]
            return (
                f"{len(self.promised)} checks were promised and {len(made)} made; "
                f"missing: {', '.join(missing) or 'none'}; not promised: "
                f"{', '.join(others) or 'none'}"
            )
        if not any(result.status in ("pass", "close") for result in checked.results):
            return "not one check passed: nothing was found out"
        return ""


class Asked:
    """One check, as the argument of a test. Calling it passes, fails or skips that test.

    times: how often it was called
    """

    def __init__(self, ladder: Ladder, id: str) -> None:
        self._ladder, self.id, self.times = ladder, id, 0

    def __repr__(self) -> str:
        return self.id

    @property
    def result(self) -> CheckResult | None:
        """What was found; None for the promise, and for a check that was not made."""
        results = self._ladder.report().checked.results
        return next((each for each in results if each.check.id == self.id), None)

    def __call__(self) -> None:
        __tracebackhide__ = True
        self.times += 1
        broken, skipped = self._said()
        if broken:
            _pytest().fail(broken, pytrace=False)
        if skipped:
            _pytest().skip(skipped)

    def _said(self) -> tuple[str, str]:
        """Why the test fails, or why it is skipped; nothing where it passes.

        What fails as expected fails here, and what passes although it should not passes: the mark
        of that test, xfail(strict), turns both round.
        """
        if self.id == PROMISED:
            return self._ladder.broken_promise(), ""
        report, result = self._ladder.report(), self.result
        if result is None:
            return f"{self.id} was promised and not made", ""
        if result.status == "xfail":
            return result.message, ""
        if result.status in ("pass", "xpass"):
            return "", ""
        if report.checked.fails(result):
            return explained(result, report.replay), ""
        if result.status == "inconclusive" and result.check.level == "must":
            return f"could not be decided: {result.message}", ""
        if result.status in ("close", "skipped"):
            return "", result.message if result.status == "skipped" else ""
        level = " (should)" if result.check.level == "should" else ""
        return "", f"{result.status}{level}: {result.message}"


def _pytest() -> Any:
    try:
        import pytest
    except ImportError:
        raise MissingExtraError(
            "`backproof.checks` needs pytest: python -m pip install pytest"
        ) from None
    return pytest
