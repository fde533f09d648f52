"""`backproof`, and `python -m backproof`: from here on Ctrl-C is heard.

Until the command line is imported, which takes longer than a finger needs, it ends the process at
once: an exception might be swallowed by whoever imports, and there is nothing yet to be put away.
"""

import os
import sys

from backproof.errors import INTERRUPTED


def main() -> int:
    """The command line, from `sys.argv`. Returns the exit code."""
    try:
        import signal

        heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if heard:  # whoever runs in the background does not hear it
            signal.signal(signal.SIGINT, _leave)
        from backproof import cli

        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return cli.main()
    except KeyboardInterrupt:  # before, or between, those who listen
        return _said()


def _leave(*_: object) -> None:
    os._exit(_said())


def _said() -> int:
    os.write(2, b"backproof: interrupted before anything was judged.\n")
    return INTERRUPTED


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # where the user stands: a json.py there is theirs, not ours to import
    sys.exit(main())
