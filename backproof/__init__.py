"""backproof: is this hand-written backprop right, and if not, what does it do instead?

Importing this needs NumPy alone. The words live here (`Case`, `Gradients`); the witnesses, the
case space and the reports are loaded by the command line, and by `check` and `checks`, when they
are asked for.
"""

TYPE_CHECKING = False  # a type checker takes it for true; `typing` would be a hundredth of a second
if TYPE_CHECKING:
    from backproof.case import Arrays as Arrays
    from backproof.case import Case as Case
    from backproof.doors import check as check
    from backproof.errors import BackproofError as BackproofError
    from backproof.gradients import Failure as Failure
    from backproof.gradients import Gradients as Gradients
    from backproof.notebook import CheckReport as CheckReport
    from backproof.pytest_door import checks as checks
    from backproof.tokens import case_of as case_of
    from backproof.tokens import token_of as token_of

__version__ = "0.1.0"

# The names that are here, and the module in which each waits until it is used: the command line
# comes through this file, and has to hear Ctrl-C before it imports NumPy.
_WAITING = {
    "Arrays": "case",
    "Case": "case",
    "BackproofError": "errors",
    "check": "doors",
    "Failure": "gradients",
    "Gradients": "gradients",
    "CheckReport": "notebook",
    "checks": "pytest_door",
    "case_of": "tokens",
    "token_of": "tokens",
}


def __getattr__(name: str) -> object:
    if name not in _WAITING:
        raise AttributeError(f"module 'backproof' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"backproof.{_WAITING[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WAITING])
