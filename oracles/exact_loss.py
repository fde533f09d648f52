"""The value of the loss in balls, from the output of the exact forward pass; no derivative."""

from flint import arb, arb_mat

from backproof.ball import working
from backproof.case import Case
from oracles.exact_network import inside_of

_BITS = 200


def loss_of(case: Case) -> float:
    """Of the whole batch, a sum or a mean over its rows as the case has it, to the last bit."""
    with working(_BITS):
        total = sum(_terms(case), arb(0))
        shares = case.n if case.reduction == "mean" else 1
        if case.loss.startswith(("mean_squared_error", "binary_cross_entropy")):
            shares *= case.widths[-1]
        return float(total / (2 * shares if case.loss == "half_squared_error" else shares))


def _terms(case: Case) -> list[arb]:
    """One per element of the output, (n k_L,)."""
    output = inside_of(case).layers[-1]
    z, Y = output.Z.entries(), [arb(y) for y in case.arrays.Y.ravel().tolist()]
    if case.loss.startswith("binary_cross_entropy"):
        # -y log s(z) - (1 - y) log(1 - s(z)), of which log(1 - s(z)) = log s(z) - z
        return [x.exp().log1p() - y * x for x, y in zip(z, Y, strict=True)]
    if case.loss.startswith("cross_entropy"):
        return [-y * x for x, y in zip(_log_softmax(output.Z), Y, strict=True)]
    softmax = case.activations[-1] == "softmax"  # of it the layer holds Z
    O = [x.exp() for x in _log_softmax(output.Z)] if softmax else output.O.entries()
    return [(o - y) ** 2 for o, y in zip(O, Y, strict=True)]


def _log_softmax(Z: arb_mat) -> list[arb]:
    """z less the logarithm of the sum of exp(z) of its row."""
    found, entries, k = list[arb](), Z.entries(), Z.ncols()
    for start in range(0, len(entries), k):
        row = entries[start : start + k]
        below = sum((z.exp() for z in row), arb(0)).log()
        found += [z - below for z in row]
    return found
