"""How much of a verdict somebody is told who shall find the mistake alone.

none     whether everything is right, and nothing of where it is not
rung     which check breaks first and what each asks; no number of it, and no case
layer    everything: the numbers side by side, the case's token, what they say of the mistake

The screen and every file are made from what is left here, so none of them says more than another.
"""

from dataclasses import replace

from backproof.check_words import verdict
from backproof.checked import Check, Checked, CheckResult

HINTS = ("none", "rung", "layer")

# In these messages the numbers stand, and what they have in common. Why there was no answer, or
# why nothing was asked, is no hint: nothing of the mathematics is in it.
_WITHOUT_NUMBERS = {
    "fail": "it does not hold",
    "close": "it holds but for a little",
    "inconclusive": "it could not be decided",
}
_KEPT_BACK = {
    "none": "--hints none: which checks hold, and which do not, is kept back",
    "rung": "--hints rung: the numbers and the cases are kept back",
}


def shown_of(result: CheckResult, hints: str) -> CheckResult:
    """The same result with what may be seen of it. hints: of `HINTS`"""
    if hints == "layer":
        return result
    message = _WITHOUT_NUMBERS.get(result.status, result.message)
    return replace(result, message=message, case=None, worst=None, parameters=())


def shown(checked: Checked, hints: str) -> Checked:
    """All that may be seen, with a note of what is kept back; the exit code stays.

    Under "none" one result stands for all of them: whoever counts them, or looks at which are
    blocked, would know the rung.
    """
    if hints == "layer":
        return checked
    results = tuple(shown_of(each, hints) for each in checked.results)
    if hints == "none":
        results = (_all_in_one(checked),)
    notes = (*checked.notes, _KEPT_BACK[hints])
    return replace(checked, results=results, notes=notes, advice=())


def _all_in_one(checked: Checked) -> CheckResult:
    first = checked.first_broken
    if first is None:
        status = "pass" if checked.exit_code == 0 else "inconclusive"
    else:  # `close` fails with --strict, but nobody would know it by that word
        status = "fail" if first.status == "close" else first.status
    asked = Check("everything", "everything that it claims")
    return CheckResult(asked, status, verdict(checked, "none"))
