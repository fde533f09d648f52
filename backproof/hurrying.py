"""A call that may take some time and no longer."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

_AT_ONCE = 1e-3  # 0 would be never


@contextmanager
def hurried(seconds: float) -> Iterator[None]:
    """Ends an endless loop in Python code where the platform has timers.

    An alarm that was set before, such as the worker's, goes on afterwards.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    begun = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            left -= time.monotonic() - begun
            signal.setitimer(signal.ITIMER_REAL, max(left, _AT_ONCE))
