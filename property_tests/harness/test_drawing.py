"""Numbers from a counter on trial: the published generator, its ranges, its streams."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backproof import drawing


def splitmix64(state: int, count: int) -> list[int]:
    """Figure 17 of the paper, word by word in Python's own integers."""
    mask, words = 2**64 - 1, []
    for _ in range(count):
        state = state + 0x9E3779B97F4A7C15 & mask
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        words.append(z ^ z >> 31)
    return words


def test_splitmix64_is_the_published_one() -> None:
    assert splitmix64(1234567, 3) == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
    ]  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 40))
def test_bits_are_splitmix64_of_a_mixed_seed(seed: int, stream: int, count: int) -> None:
    mask, z = 2**64 - 1, seed << 16 | stream
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    assert drawing.bits(seed, stream, count).tolist() == splitmix64(z ^ z >> 31, count)


def test_integers_reach_both_ends_equally_often() -> None:
    drawn = drawing.integers(5, 0, (70_000,), -3, 3)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    # Five standard deviations of a binomial count around 10,000.
    assert np.abs(counts - 10_000).max() < 5 * (70_000 / 7 * 6 / 7) ** 0.5


def test_normals_have_mean_0_variance_1_and_few_bits() -> None:
    drawn = drawing.normals(5, 0, (100_000,))
    assert abs(drawn.mean()) < 5 / 100_000**0.5
    # The kurtosis of twelve uniforms is 2.9, so their variance varies by sqrt(1.9 / n).
    assert abs(drawn.var() - 1) < 5 * (1.9 / 100_000) ** 0.5
    assert (drawn.astype(np.float32) == drawn).all()
    assert np.abs(drawn).max() <= 6


def test_streams_and_seeds_do_not_repeat_each_other() -> None:
    words = np.concatenate(
        [drawing.bits(seed, stream, 500) for seed in range(20) for stream in (0, 1)]
    )
    assert len(np.unique(words)) == len(words)
