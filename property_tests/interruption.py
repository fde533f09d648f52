"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be, also inside callbacks whose exceptions
are printed and swallowed (a garbage collector's, for one). So the signal is remembered too, and
raised again at the next step of whatever is going on.
"""

import signal
from types import FrameType
from typing import Any


class Interruption:
    """Remember Ctrl-C while this context is open; outside the main thread it does nothing."""

    def __init__(self) -> None:
        self._pending = False
        self._before: Any = None

    def __enter__(self) -> "Interruption":
        try:
            self._before = signal.signal(signal.SIGINT, self._remember)
        except ValueError:  # not the main thread: the signal is somebody else's
            self._before = None
        return self

    def __exit__(self, *raised: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if one came and was swallowed on its way up."""
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt
