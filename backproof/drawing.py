"""Numbers from a counter: the same token gives the same bytes on every platform.

Random bits are SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators", OOPSLA, fig. 17) read at any position, so that no generator state and no version of
NumPy's own generators is involved. Numbers are made from raw bits by integer arithmetic and
exact scaling with powers of two; no libm, and every value fits a float32.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Bits = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def bits(seed: int, stream: int, count: int) -> Bits:
    """`count` random 64-bit words of one stream of one seed: shape (count,)."""
    start = _mixed(np.array([(seed << 16 | stream) & _MASK], dtype=np.uint64))
    counter = np.arange(1, count + 1, dtype=np.uint64)
    return _mixed(start + counter * np.uint64(_GOLDEN))


def _mixed(x: Bits) -> Bits:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def integers(seed: int, stream: int, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Whole numbers low..high, both included, as float64."""
    words = bits(seed, stream, int(np.prod(shape))) >> np.uint64(32)
    span = np.uint64(high - low + 1)
    # (word * span) >> 32 maps 32 random bits onto 0..span-1, without a modulo's low-bit bias.
    return ((words * span) >> np.uint64(32)).astype(np.float64).reshape(shape) + low


def normals(seed: int, stream: int, shape: tuple[int, ...]) -> Array:
    """About normal, mean 0, variance 1: the sum of twelve uniforms of 16 bits, minus 6."""
    words = bits(seed, stream, 3 * int(np.prod(shape))).reshape(-1, 3)
    quarters = [(words >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(4)]
    total = sum(quarter.sum(axis=1) for quarter in quarters)
    # Twelve 16-bit uniforms have the mean 6 * (2**16 - 1).
    centred = np.asarray(total).astype(np.float64) - 6 * 0xFFFF
    return (centred / 2.0**16).reshape(shape)
