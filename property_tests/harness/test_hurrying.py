"""A call that may take some time and no longer leaves everybody else's alarm as it was."""

import signal
import time

import pytest

from backproof.hurrying import hurried

needs_timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this platform has no timers"
)


def for_ever() -> None:
    while True:
        pass


@needs_timers
def test_an_endless_loop_ends_and_the_alarm_that_was_set_before_goes_on() -> None:
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    try:
        signal.alarm(60)
        with pytest.raises(TimeoutError), hurried(0.05):
            for_ever()
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 30 < left < 60
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@needs_timers
def test_an_alarm_that_was_due_in_the_meantime_comes_afterwards() -> None:
    heard = list[int]()
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TimeoutError), hurried(0.1):
            for_ever()
        time.sleep(0.1)
        assert heard == [signal.SIGALRM]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@needs_timers
def test_where_none_was_set_none_is_left() -> None:
    with hurried(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
