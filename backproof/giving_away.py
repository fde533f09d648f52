"""How much of a verdict somebody is told who shall find the mistake alone.

none     whether everything is right, and nothing of where it is not
rung     which check breaks first and what each asks; no number of it, and no case
layer    everything: the numbers side by side, the case's token, what they say of the mistake
"""

from dataclasses import replace

from backproof.checked import Checked, CheckResult

HINTS = ("none", "rung", "layer")

# In these messages the numbers stand, and what they have in common. Why there was no answer, or
# why nothing was asked, is no hint: nothing of the mathematics is in it.
_WITHOUT_NUMBERS = {
    "fail": "it does not hold",
    "close": "it holds but for a little",
    "inconclusive": "it could not be decided",
}


def shown_of(result: CheckResult, hints: str) -> CheckResult:
    """The same result with what may be seen of it. hints: of `HINTS`"""
    if hints == "layer":
        return result
    message = _WITHOUT_NUMBERS.get(result.status, result.message)
    return replace(result, message=message, case=None, worst=None, parameters=())


def shown(checked: Checked, hints: str) -> Checked:
    """All results so. Under "none" they still have names, which are not to be shown."""
    return replace(checked, results=tuple(shown_of(each, hints) for each in checked.results))
