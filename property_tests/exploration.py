"""Beyond the ladder: cases that Hypothesis draws within the claims, each judged like a rung's.

The ladder's nets are few and chosen; these are many and are not. What a lower rung found wrong is
left out, so that one mistake is not told twice, and what only strict people ask for (the far tails,
single precision beside double, numbers lost by a formula that is right) fails with --strict alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import reject
from hypothesis import strategies as st

from backproof import claims as target_claims
from backproof import names
from backproof.case import Case
from backproof.checked import BROKEN, Check
from backproof.notebook import explained
from backproof.request import Request
from oracles.elementary import as_measured
from property_tests import check_run, space
from property_tests.answering import failed
from property_tests.check_command import replay_of
from property_tests.checking import Climb
from property_tests.ladder import Question
from property_tests.nets import Nets
from property_tests.strategies import cases
from property_tests.trying import LOST, Found, Trial
from property_tests.verification import within

CHECK = Check("exploration.case", "a case within the claims, the smallest one that was found")
# Numbers so large, where layers follow each other, that only exact arithmetic can tell a formula
# that is right from one that is not.
_LARGE = ("integers", "fractions")


@contextmanager
def exploring(request: Request, climbed: Climb) -> Iterator["Exploration"]:
    """The implementation once more, with what the ladder found out about it.

    climbed: a climb that is over
    """
    with as_measured(), check_run.opened(request) as target:
        climb = Climb(target)
        climb.trial = Trial(target, climbed.trial.factors)
        claims = explored(climbed.nets, climbed.trial.not_exactly, request.strict)
        replay = replay_of(request.spec, request.adapter)
        yield Exploration(climb, climbed.nets.claims, claims, replay, request.strict)


def explored(nets: Nets, not_exactly: str, strict: bool) -> space.Claims:
    """The part of the case space that is drawn from.

    not_exactly: why the program does not run on balls, or ""
    """
    claims, left_out = nets.claims, ["saturated"]
    if not_exactly:
        left_out += _LARGE
    doubles = tuple(dtype for dtype in claims.dtypes if dtype != "float32")
    whole = replace(claims, hidden=nets.hidden, combinations=nets.endings, alphas=None)
    found = within(whole)
    if strict:
        return found
    regimes = tuple(regime for regime in names.REGIMES if regime not in left_out)
    return replace(found, dtypes=doubles or claims.dtypes, regimes=regimes)


@dataclass
class Exploration:
    """One implementation and what is drawn for it.

    decided: cases of which something could be said
    """

    climb: Climb
    claimed: target_claims.Claims
    claims: space.Claims
    replay: str
    strict: bool
    decided: int = 0
    _ended: tuple[Case, str] | None = field(default=None)

    def drawn(self) -> st.SearchStrategy[Case]:
        """Cases that the implementation claims."""
        return cases(claims=self.claims).map(self._fitted)

    def judge(self, case: Case) -> None:
        """Ask about one case. Fails the test that calls it where the answer is wrong."""
        if self._ended is not None:  # another case would cost a process, or seconds: none is tried
            if case == self._ended[0]:
                pytest.fail(self._ended[1], pytrace=False)
            return
        found = self.climb.trial.of(case)
        if found.status == "skipped":
            reject()
        if self._is_wrong(found):
            result = failed(self.climb, Question(CHECK, (case,)), found)
            said = explained(result, self.replay)
            if found.status in ("timeout", "crashed"):
                self._ended = case, said
            pytest.fail(said, pytrace=False)
        self.decided += found.status in ("pass", "close")

    def _is_wrong(self, found: Found) -> bool:
        if found.status == "close" or found.message == LOST:
            return self.strict
        return found.status in BROKEN

    def _fitted(self, case: Case) -> Case:
        """The space knows no fixed architecture and no rate of somebody's own."""
        claimed, widths = self.claimed, case.widths
        if claimed.widths is not None:
            widths = claimed.widths
        elif claimed.outputs is not None:
            widths = (*widths[:-1], claimed.outputs)
        alpha = case.alpha if claimed.alphas is None else claimed.alphas[0]
        return replace(case, widths=widths, alpha=alpha)
