"""backproof: is this hand-written backprop right, and if not, what does it do instead?

Importing this needs NumPy alone. The words live here (`Case`, `Gradients`); the witnesses, the
case space and the reports are loaded by the command line, and by `check` and `checks`, when they
are asked for.
"""

from typing import TYPE_CHECKING, Any

from backproof.case import Arrays as Arrays
from backproof.case import Case as Case
from backproof.errors import BackproofError as BackproofError
from backproof.gradients import Failure as Failure
from backproof.gradients import Gradients as Gradients
from backproof.tokens import case_of as case_of
from backproof.tokens import token_of as token_of

if TYPE_CHECKING:
    from backproof.doors import check as check
    from backproof.notebook import CheckReport as CheckReport
    from backproof.pytest_door import checks as checks

__version__ = "0.1.0"

# What needs more than NumPy, and the module in which it waits.
_LATER = {"check": "doors", "checks": "pytest_door", "CheckReport": "notebook"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'backproof' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"backproof.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
