"""The witness that knows no derivative: move a weight, look at the loss, and say how sure it is.

    dLoss/dw  ~  (Loss(w + h) - Loss(w - h)) / 2h

Seven steps h per weight give seven such quotients D_q. Where they settle, truncation is small;
what rounding can do to each is bounded (`fd_rounding.py`). The bar around the best estimate is
both together. Its truncation part is itself an estimate, so a finite difference alone never
proves anybody wrong.

All arithmetic is float64, for a float32 case as well: its arrays widen exactly.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from backproof import drawing
from backproof.case import Case
from backproof.gradients import Failure, Gradients, Vector, slots_of
from oracles.fd_network import Array, Indices, Moves, Network, loss_change, network_of
from oracles.fd_rounding import Mask, Rounding

# h = 2**-6, 2**-8, ..., 2**-18 times max(|w|, 2**-4): one fourth from level to level, so that the
# truncation error of a central difference falls by 16.
_LEVELS = 2.0 ** -np.arange(6, 20, 2)
_SMALLEST_SCALE = 2.0**-4

_U = 2.0**-53
_TINY = float(np.finfo(np.float64).smallest_normal)
_SAFETY = 1.1  # of the rounding part, whose own arithmetic rounds too

# A chunk this large amortises the calls of NumPy and still finds its arrays in the cache.
_CHUNK_BYTES = 2**19

_STREAM = 0xFD  # of the random bits that pick the elements of a large case


class FiniteDifference:
    """Central differences at seven steps, plain and extrapolated, each with a bar.

    full_up_to: a case of at most this many parameters is estimated at every one
    sample: of a larger case, this many are estimated, picked by a hash of the seed
    work: and no more than fit into this much of it, in activations computed (about 40 ns each):
        5 million are 0.1 to 0.3 s, which leaves a net of 8 x 64 neurons and 128 rows a dozen

    What is not estimated has the gradient 0 and the bar infinity, like an element on a kink.
    """

    name = "finite_difference"
    step_form = "direct"

    def __init__(self, *, full_up_to: int = 500, sample: int = 512, work: int = 5_000_000) -> None:
        self.full_up_to, self.sample, self.work = full_up_to, sample, work

    def gradients(self, case: Case) -> Gradients | Failure:
        """The gradient and the step of one case with their bars, float64 vectors of shape (P,)."""
        size = slots_of(case)[-1].stop
        chosen = self.chosen(case)
        with np.errstate(all="ignore"):  # an overflow becomes the bar infinity
            estimate, bar = _estimates(network_of(case), chosen)
            gradient, gradient_bar = np.zeros(size), np.full(size, np.inf)
            gradient[chosen], gradient_bar[chosen] = estimate, bar
            step = -case.alpha * gradient
            step_bar = case.alpha * gradient_bar + _U * np.abs(step) + _TINY
        return Gradients(gradient, step, gradient_bar, step_bar)

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """The same for many cases, one after the other."""
        return [self.gradients(case) for case in cases]

    def chosen(self, case: Case) -> Indices:
        """Which of the P elements are estimated, ascending; the same for the same case."""
        size = slots_of(case)[-1].stop
        count = size if size <= self.full_up_to else self.sample
        count = min(size, count, max(1, int(self.work // _work_per_element(case))))
        if count == size:
            return np.arange(size)
        order = np.argsort(drawing.bits(case.seed, _STREAM, size), kind="stable")
        return np.sort(order[:count])


# Dearer than the others by about these factors: erfc and log1p have no vector form in NumPy.
_DEAR = {"gelu": 4.0, "softplus": 2.0, "elu": 2.0}
_DEAR_LOSS = {"cross_entropy": 4.0, "binary_cross_entropy": 4.0}


def _work_per_element(case: Case) -> float:
    """Activations to compute for all levels of one element, the mean over all elements."""
    costs = [k * _DEAR.get(g, 1.0) for k, g in zip(case.widths[1:], case.activations, strict=True)]
    costs.append(case.widths[-1] * _DEAR_LOSS.get(case.loss.removesuffix("_with_logits"), 1.0))
    elements = [(i + 1) * j for i, j in pairwise(case.widths)]
    later = [sum(costs[layer + 1 :]) for layer in range(case.depth)]
    mean = sum(m * c for m, c in zip(elements, later, strict=True)) / sum(elements)
    return 2.0 * len(_LEVELS) * case.n * (1.0 + mean)


def central_differences(case: Case, step: float) -> Vector:
    """(Loss(w + step) - Loss(w - step)) / (2 step) for every weight and bias: (P,).

    Raises ValueError for a step that is not a positive finite number.
    """
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"`step` is {step!r}; use a positive finite number.")
    network = network_of(case)
    elements = np.arange(slots_of(case)[-1].stop)
    with np.errstate(all="ignore"):
        changes = []
        for chunk in _chunks(network, elements, np.full((len(elements), 1), step)):
            *_, last = network.walk(chunk, keep_Z=False)
            changes.append(loss_change(network, last))
        return np.concatenate(changes) * network.factor / (2.0 * step)


class Levels(NamedTuple):
    """What seven steps say about m elements, each (m, 7), largest step first.

    D: the central differences   R: bounds of their rounding   usable: finite, and no kink crossed
    """

    D: Array
    R: Array
    usable: Mask


def _estimates(network: Network, elements: Indices) -> tuple[Vector, Vector]:
    """The best estimate of each element and its bar."""
    return best(levels_of(network, elements))


def levels_of(network: Network, elements: Indices) -> Levels:
    """All levels of the given elements (flat indices, ascending).

    Steps are powers of two, max(|w|, 2**-4) rounded down to one: step * O and the division by
    2 * step are then exact. Nor does w + step round: the step is added to Z, not to w.
    """
    w = np.concatenate([W.ravel() for W in network.parameters])[elements]
    scale = 2.0 ** np.floor(np.log2(np.maximum(np.abs(w), _SMALLEST_SCALE)))
    steps = scale[:, None] * _LEVELS
    rounding = Rounding(network)
    parts = [rounding.changes(chunk) for chunk in _chunks(network, elements, steps)]
    change = np.concatenate([part.change for part in parts]).reshape(steps.shape)
    error = np.concatenate([part.error for part in parts]).reshape(steps.shape)
    smooth = np.concatenate([part.smooth for part in parts]).reshape(steps.shape)
    D = change * network.factor / (2.0 * steps)
    R = _SAFETY * error * network.factor / (2.0 * steps) + 4.0 * _U * np.abs(D) + _TINY
    return Levels(D, R, smooth & np.isfinite(D) & np.isfinite(R))


def best(levels: Levels) -> tuple[Vector, Vector]:
    """Of all plain and extrapolated estimates the one with the smallest bar; infinity if none.

    One difference of successive levels may be small by coincidence, so the bar looks at two: a
    plain D_q is off by about (D_{q-1} - D_q)/15, the extrapolated A_q = (16 D_q - D_{q-1})/15 by
    about (A_{q-1} - A_q)/255. Both are taken four and 64 times as large.
    """
    D, R, usable = levels
    A = (16.0 * D[:, 1:] - D[:, :-1]) / 15.0
    R_A = (16.0 * R[:, 1:] + R[:, :-1]) / 15.0
    plain = _settled(D, 16.0) * (4.0 / 15.0) + R[:, 2:]
    extrapolated = _settled(A, 256.0) / 4.0 + R_A[:, 2:]
    three = usable[:, 2:] & usable[:, 1:-1] & usable[:, :-2]
    four = three[:, 1:] & three[:, :-1]
    bars = np.hstack([np.where(three, plain, np.inf), np.where(four, extrapolated, np.inf)])
    first = np.arange(len(bars)), bars.argmin(axis=1)
    estimate, bar = np.hstack([D[:, 2:], A[:, 2:]])[first], bars[first]
    return np.where(np.isfinite(bar), estimate, 0.0), np.where(np.isfinite(bar), bar, np.inf)


def _settled(E: Array, factor: float) -> Array:
    """How far apart are three successive levels, the older difference scaled to the newer."""
    difference = np.abs(np.diff(E, axis=1))
    return np.maximum(difference[:, 1:], difference[:, :-1] / factor)


def _chunks(network: Network, elements: Indices, steps: Array) -> Iterator[list[Moves]]:
    """The elements (flat, ascending) at all their steps (m, levels), in order, in chunks."""
    starts = np.cumsum([0] + [W.size for W in network.parameters])
    ends = np.searchsorted(elements, starts)  # where each layer begins and ends in `elements`
    layers = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    widths = np.array([W.shape[1] for W in network.parameters])
    rows, columns = np.divmod(elements - starts[layers], widths[layers])
    costs = np.array(_bytes_per_move(network))[layers] * steps.shape[1]
    bins = np.cumsum(costs) // _CHUNK_BYTES
    cuts = [0, *(np.flatnonzero(np.diff(bins)) + 1).tolist(), len(elements)]
    for begin, end in pairwise(cuts):
        chunk = []
        for layer in range(int(layers[begin]), int(layers[end - 1]) + 1):
            here = slice(max(begin, int(ends[layer])), min(end, int(ends[layer + 1])))
            if here.start < here.stop:
                r, c = (np.repeat(index[here], steps.shape[1]) for index in (rows, columns))
                chunk.append(Moves(layer + 1, r, c, steps[here].ravel()))
        yield chunk


def _bytes_per_move(network: Network) -> list[int]:
    """The largest array a move of each layer needs: two signs of one output, or of one column."""
    widths = [W.shape[1] for W in network.weights]
    later = [max(widths[layer:], default=1) for layer in range(1, len(widths) + 1)]
    if network.coupled:
        later[-1] = widths[-1]
    return [2 * 8 * len(network.Y) * width for width in later]
