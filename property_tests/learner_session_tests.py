"""What `backproof test X` asks: the ladder, and then cases that nobody chose."""

import pytest
from hypothesis import Phase, given, settings

from backproof.case import Case
from backproof.pytest_door import Asked
from property_tests.exploration import Exploration

# Which field matters Hypothesis would explain in a traceback, and the message is a table instead.
_PHASES = (Phase.generate, Phase.shrink)


def test_ladder(check: Asked) -> None:
    check()


def test_exploration(exploration: Exploration) -> None:
    @settings(phases=_PHASES)
    @given(case=exploration.drawn())
    def holds(case: Case) -> None:
        exploration.judge(case)

    holds()
    if not exploration.decided:
        pytest.fail("not one of the cases that were drawn could be judged", pytrace=False)
