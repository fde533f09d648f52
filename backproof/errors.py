"""What can go wrong, as a tree.

BackproofError            the caller's or the target's fault: one sentence, exit code 2
 +- CaseError             a case that cannot exist, or a token or case file that cannot be read
 +- TargetError           an implementation that cannot be loaded or called at all
 +- RunFileError          a run.jsonl that is foreign, truncated or from another run
 +- MissingExtraError     an optional framework was asked for by name and is not installed

Interrupted               Ctrl-C, where there is more to say about it than that; exit code 130

Every message is one sentence that names the argument, what was got and what to do.
"""

INTERRUPTED = 130  # the exit code


class BackproofError(Exception):
    """Something the user can put right; the message says how."""


class CaseError(BackproofError, ValueError):
    """A case, token or case file that does not describe a network."""


class TargetError(BackproofError):
    """The implementation under test cannot be loaded or called."""


class RunFileError(BackproofError):
    """A run file that is not one of ours, or not whole."""


class MissingExtraError(BackproofError, ImportError):
    """An optional package was asked for by name and is not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C at a place where the message can say what is kept and what to do."""
