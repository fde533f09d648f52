"""Is the loss that a program states the one whose gradient it has? Compared by their values.

Of L, whose gradient it has, the stated loss s may be any c L + d with c > 0: a mean for a sum, half
of the squared error for all of it, a constant. Several nets with one number of rows and outputs
tell c and d; every other pair of values must then fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backproof.case import Case
from property_tests.trying import CLOSE

# Of values that lie nearer together, any curve is a line.
_APART = 0.1


class Values(NamedTuple):
    """Of some nets with one n, one k_L and one loss: that loss, exactly, and the stated one."""

    cases: Sequence[Case]
    exact: Sequence[float]
    stated: Sequence[float]


def told(values: Values) -> tuple[str, str]:
    """A status and what to say. "inconclusive" where the values tell too little."""
    L, s = np.array(values.exact), np.array(values.stated)
    loss = values.cases[0].loss
    if not (np.isfinite(L).all() and np.isfinite(s).all()):
        return "inconclusive", "a loss has no finite value"
    low, high = int(L.argmin()), int(L.argmax())
    if L[high] - L[low] < _APART * L[high]:
        return "inconclusive", "the losses of all nets that were asked are nearly the same"
    c = (s[high] - s[low]) / (L[high] - L[low])
    off = float(np.max(np.abs(s[low] + c * (L - L[low]) - s)))
    # Both are sums of terms of one sign over a few rows, good to far less than what is called
    # close; so is an epsilon inside a logarithm. A norm for its square is off by a tenth and more
    # of how far the values lie apart, which no constant that is added makes larger.
    if off <= CLOSE[values.cases[0].dtype] * abs(float(s[high] - s[low])) and c > 0:
        return "pass", ""
    what = "constant" if c > 0 else "positive"
    some = np.argsort(L)[[0, len(L) // 2, -1]]
    ours, theirs = (", ".join(f"{value:.3g}" for value in v[some]) for v in (L, s))
    return "fail", (
        f"the gradient is that of {loss}; the loss that the program states is no {what} multiple "
        f"of it: where it is {ours}, the stated one is {theirs}"
    )
