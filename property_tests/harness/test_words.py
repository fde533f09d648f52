"""The words on trial: cases and their numbers, tokens, case files, the order of the parameters."""

import itertools
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backproof import casefiles, drawing, names
from backproof.case import Arrays, Case
from backproof.errors import CaseError
from backproof.gradients import flat, slots_of
from backproof.tokens import case_of, token_of
from property_tests.derived import per_layer, with_arrays
from property_tests.space import Claims, sampled_case
from property_tests.strategies import cases

ONE = Case((1, 1), ("identity",))


# Numbers from a counter.


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


# Cases and their arrays.


@given(cases(size=None))
def test_arrays_have_the_shapes_and_the_dtype_of_the_case(case: Case) -> None:
    arrays = case.arrays
    assert arrays.X.shape == (case.n, case.widths[0])
    assert arrays.Y.shape == (case.n, case.widths[-1])
    assert [W.shape for W in arrays.weights] == list(
        zip(case.widths, case.widths[1:], strict=False)
    )
    assert all((b is None) == (case.bias == "none") for b in arrays.biases)
    given = [*arrays.weights, *(b for b in arrays.biases if b is not None), arrays.X, arrays.Y]
    assert {str(array.dtype) for array in given} == {case.dtype}
    assert not any(array.flags.writeable for array in given)
    replace(case, given=arrays)  # finite, no subnormals: what is drawn may also be given


@given(cases())
def test_float32_is_the_same_numbers_as_float64(case: Case) -> None:
    """Every number drawn fits a float32, so the two dtypes ask the same question."""
    narrow, wide = (replace(case, dtype=dtype, scale=0).arrays for dtype in reversed(names.DTYPES))
    for a, b in zip(
        (*narrow.weights, narrow.X, narrow.Y), (*wide.weights, wide.X, wide.Y), strict=True
    ):
        assert (a == b).all()


def test_the_bias_form_does_not_change_the_other_numbers() -> None:
    case = Case((3, 4, 2), ("tanh", "identity"), n=3, seed=9)
    for bias in names.BIASES:
        other = replace(case, bias=bias).arrays
        assert all(map(np.array_equal, other.weights, case.arrays.weights))
        assert np.array_equal(other.Y, case.arrays.Y)


def of_regime(regime: str, **changes: Any) -> Arrays:
    case = Case((4, 5, 3), ("tanh", "identity"), n=7, seed=2, regime=regime)
    return replace(case, **changes).arrays


def test_each_regime_draws_what_it_says() -> None:
    integers, fractions, zeros = map(of_regime, ("integers", "fractions", "zeros"))
    assert set(np.unique(integers.X)) <= set(range(-3, 4))
    assert set(np.unique(fractions.X * 4)) <= set(range(-8, 9))
    assert set(np.unique(zeros.X)) == {-1, 0, 1}
    assert not any(b.any() for b in zeros.biases if b is not None)
    normal, saturated, tiny = map(of_regime, ("normal", "saturated", "tiny"))
    assert (saturated.X == 4 * normal.X).all()
    assert (saturated.weights[0] == 8 * normal.weights[0]).all()
    assert np.abs(tiny.X).max() < 2**-17
    rows = of_regime("duplicated")
    assert (rows.X[0:6:2] == rows.X[1:6:2]).all()
    assert (rows.Y[0:6:2] == rows.Y[1:6:2]).all()


@pytest.mark.parametrize("loss", names.LOSSES)
@pytest.mark.parametrize("regime", ["normal", "one_hot", "soft_labels"])
def test_labels_are_those_of_the_loss(loss: str, regime: str) -> None:
    output = names.OUTPUT_ACTIVATION.get(loss, "identity")
    Y = of_regime(regime, loss=loss, activations=("tanh", output)).Y
    if loss.startswith("cross_entropy") or (regime != "normal" and "binary" not in loss):
        assert (Y.sum(axis=1) == 1).all()
    if "entropy" in loss or regime != "normal":
        assert Y.min() >= 0
        assert Y.max() <= 1
    if "entropy" in loss and regime != "soft_labels":
        assert set(np.unique(Y)) <= {0.0, 1.0}
    if regime == "soft_labels":
        assert not set(np.unique(Y)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (1,)}, "`widths` has 1 numbers for 1 layers; give 2"),
        ({"widths": (0, 1)}, "`widths` is (0, 1); use whole numbers from 1 to 64."),
        ({"widths": (True, 1)}, "`widths` is (True, 1)"),
        ({"widths": [1, 1]}, "`widths` is a list; give a tuple."),
        ({"widths": 5}, "`widths` is a int; give a tuple."),
        ({"activations": "tanh"}, "`activations` is a str; give a tuple."),
        ({"activations": ()}, "`activations` has 0 layers; use 1 to 8."),
        ({"activations": ("swish",)}, "`activations` has 'swish'; use one of identity,"),
        ({"activations": (["tanh"],)}, "`activations` has ['tanh']; use one of"),
        (
            {"widths": (1, 1, 1), "activations": ("softmax", "identity")},
            "`activations` has softmax",
        ),
        ({"loss": "cross_entropy"}, "`loss` 'cross_entropy' needs the output activation 'softmax'"),
        ({"loss": None}, "`loss` has None; use one of"),
        ({"n": 0}, "`n` is 0; use a batch of 1 to 128 rows."),
        ({"n": 2.0}, "`n` is 2.0; use a batch"),
        ({"seed": -1}, "`seed` is -1; use a whole number"),
        ({"seed": 2**32}, "`seed` is 4294967296; use a whole number"),
        ({"scale": 9}, "`scale` is 9; use -12 to 8."),
        ({"scale": True}, "`scale` is True; use -12 to 8."),
        ({"scale": 0.0}, "`scale` is 0.0; use -12 to 8."),
        ({"alpha": "1"}, "`alpha` is '1'; use a positive number"),
        ({"alpha": None}, "`alpha` is None; use a positive number"),
        ({"alpha": float("nan")}, "`alpha` is nan; use a positive number"),
        ({"alpha": 10**400}, "`alpha` is 1000"),
        ({"alpha": 1e-320}, "`alpha` is 1e-320; use a positive number that is a float64."),
        ({"alpha": 1e-40, "dtype": "float32"}, "`alpha` is 1e-40; use a positive number that is a"),
        ({"alpha": 1e39, "dtype": "float32"}, "`alpha` is 1e+39; use a positive number that is a"),
        ({"slope": None}, "`slope` is None; use a slope from 0 to 1."),
        ({"slope": 1.5}, "`slope` is 1.5; use a slope from 0 to 1."),
        ({"dtype": np.float64}, "`dtype` has <class 'numpy.float64'>; use one of"),
        ({"regime": "real"}, "`regime` 'real' was got without arrays"),
        ({"given": 5}, "`given` is a int; give `Arrays` or None."),
    ],
)
def test_a_case_that_cannot_exist_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        replace(ONE, **changes)
    assert str(caught.value).startswith(message)


ARRAYS: dict[str, Any] = {
    "weights": (np.ones((1, 1)),),
    "biases": (np.ones(1),),
    "X": np.ones((1, 1)),
    "Y": np.ones((1, 1)),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": [[1.0]]}, "`X` is a list; give a NumPy array."),
        (
            {"X": np.ones((2, 1))},
            "`X` has shape (2, 1) and dtype float64; give (1, 1) and float64.",
        ),
        ({"X": np.ones((1, 1), np.float32)}, "`X` has shape (1, 1) and dtype float32"),
        ({"X": np.full((1, 1), np.nan)}, "`X` has a NaN or an infinity"),
        ({"Y": np.full((1, 1), -np.inf)}, "`Y` has a NaN or an infinity"),
        ({"X": np.full((1, 1), -5e-324)}, "`X` has a subnormal number"),
        ({"weights": None}, "`weights` is a NoneType; give a tuple."),
        ({"weights": ()}, "`weights` and `biases` have 0 and 1 arrays; give 1 each"),
        ({"weights": (np.ones((1, 2)),)}, "`weights[0]` has shape (1, 2)"),
        ({"biases": (None,)}, "`biases[0]` does not fit `bias` 'separate'."),
        ({"biases": (np.ones((1, 1)),)}, "`biases[0]` has shape (1, 1)"),
    ],
)
def test_given_arrays_that_do_not_fit_are_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        replace(ONE, given=Arrays(**(ARRAYS | changes)))
    assert str(caught.value).startswith(message)


# Tokens.


@given(cases(size=None))
def test_a_token_names_the_whole_case(case: Case) -> None:
    token = token_of(case)
    assert case_of(token) == case
    assert len(token) <= 80


def test_printed_tokens_mean_the_same_for_ever() -> None:
    assert case_of("bp1r4000000000000007tp") == ONE
    deep = Case(
        (5, 2, 4, 3, 3, 1), ("sigmoid",) * 5, "mean_squared_error", "mean", "augmented", 7, 0.1,
        "fractions", 0, "float32", 2**32 - 1, 1 / 4,
    )  # fmt: skip
    assert token_of(deep) == "bp1ac16mfzzzzzy30ggggg08430h4j14"


def test_no_two_cases_share_a_token() -> None:
    drawn = {sampled_case(3, index) for index in range(3000)}
    assert len({token_of(case) for case in drawn}) == len(drawn)


@given(cases(), st.data())
def test_a_misspelt_token_is_noticed(case: Case, data: st.DataObject) -> None:
    token = token_of(case)
    at = data.draw(st.integers(3, len(token) - 1), label="position")
    letter = data.draw(st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"), label="letter")
    wrong = token[:at] + letter + token[at + 1 :]
    if wrong == token:
        return
    # Three digits of checksum let one of 32768 pass; then it must be another whole case.
    try:
        other = case_of(wrong)
    except CaseError:
        return
    assert other != case


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "'' is no case token; one looks like bp1"),
        ("bp1", "'bp1' is no case token"),
        ("bp2r4000000000000007tp", "'bp2r4000000000000007tp' is no case token"),
        ("x" * 200, "'" + "x" * 80 + "...' is no case token"),
        ("bp1r4000000000000007t", "'bp1r4000000000000007t' is misspelt or cut off"),
        ("bp1r400000000000000 7tp", "'bp1r400000000000000 7tp' is misspelt or cut off"),
        ("bp1\u0661\u0661\u0661\u0661", "'bp1\u0661\u0661\u0661\u0661' is misspelt or cut off"),
        ("file:00", "'file:00' names a case file"),
        (5, "`token` is a int; give a string."),
        (None, "`token` is a NoneType; give a string."),
    ],
)
def test_what_is_no_token_is_said(token: Any, message: str) -> None:
    with pytest.raises(CaseError) as caught:
        case_of(token)
    assert str(caught.value).startswith(message)


def test_numbers_outside_the_lists_have_no_token() -> None:
    with pytest.raises(CaseError, match=r"^`alpha` 0\.3 has no token; use one of"):
        token_of(replace(ONE, alpha=0.3))


# Case files.


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    case = sampled_case(7, 3, claims=Claims(biases=("separate",), dtypes=("float32",)))
    return casefiles.save(with_arrays(case), tmp_path / "cases")


@given(case=cases(size=None))
def test_a_case_file_gives_back_every_byte(case: Case, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("cases")
    path = casefiles.save(with_arrays(case), folder)
    loaded, first = casefiles.load(path), path.read_bytes()
    assert token_of(loaded) == f"file:{path.stem}"
    assert replace(loaded, given=None) == case
    for ours, theirs in zip(all_of(loaded), all_of(case), strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
        assert not ours.flags.writeable
    assert casefiles.save(loaded, folder).read_bytes() == first
    shutil.rmtree(folder)


def all_of(case: Case) -> list[Any]:
    arrays = case.arrays
    biases = [b for b in arrays.biases if b is not None]
    return [*arrays.weights, *biases, arrays.X, arrays.Y]


def test_equal_cases_have_equal_names() -> None:
    whole, real = (with_arrays(replace(ONE, alpha=alpha)) for alpha in (1, 1.0))
    assert casefiles.case_hash(whole) == casefiles.case_hash(real)


def test_a_hash_depends_on_every_number() -> None:
    case = with_arrays(Case((2, 3, 1), ("tanh", "identity"), n=2, seed=1))
    hashes = {casefiles.case_hash(case)}
    for which, array in enumerate(all_of(case)):
        for at in range(array.size):
            changed = [other.copy() for other in all_of(case)]
            changed[which].flat[at] = np.nextafter(changed[which].flat[at], np.inf)
            W, b = changed[:2], changed[2:4]
            hashes.add(
                casefiles.case_hash(
                    with_arrays(case, weights=W, biases=b, X=changed[4], Y=changed[5])
                )
            )
    assert len(hashes) == 1 + sum(array.size for array in all_of(case))
    assert casefiles.case_hash(replace(case, alpha=0.5)) not in hashes


def test_a_truncated_file_is_said(saved: Path) -> None:
    whole = saved.read_bytes()
    for stop in range(0, len(whole), 17):
        saved.write_bytes(whole[:stop])
        with pytest.raises(CaseError, match=r"is truncated or no case file"):
            casefiles.load(saved)


def test_a_flipped_bit_is_said_or_harmless(saved: Path) -> None:
    whole, dice, noticed = saved.read_bytes(), random.Random(1), 0
    before = casefiles.load(saved)
    for _ in range(1500):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        saved.write_bytes(bytes(damaged))
        try:
            case = casefiles.load(saved)
        except CaseError:
            noticed += 1
        else:  # a date or another field of the zip that says nothing about the case
            assert token_of(case) == token_of(before)
    assert noticed > 500


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    change(arrays)
    np.savez(path, **arrays)
    return path


def scalars_with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(arrays: dict[str, Any]) -> None:
        scalars = json.loads(bytes(arrays["scalars"]).decode()) | changes
        arrays["scalars"] = np.frombuffer(json.dumps(scalars).encode(), dtype=np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scalars_with(seed=4), "holds another case than its name says"),
        (scalars_with(widths=5), "is truncated or no case file"),
        (scalars_with(scale=[1]), "`scale` is [1]"),
        (scalars_with(alpha="x"), "`alpha` is 'x'"),
        (scalars_with(password="x"), "are not those of this version"),
        (lambda arrays: arrays.update(X=np.array([["a"]])), "`X` has shape"),
        (lambda arrays: arrays.update(X=arrays["X"] + 1), "holds another case than its name says"),
        (lambda arrays: arrays.update(X=arrays["X"] * np.float32(np.nan)), "`X` has a NaN"),
        (lambda arrays: arrays.update(more=np.ones(3)), "arrays that no layer"),
        (lambda arrays: arrays.pop("W1"), "is truncated or no case file"),
        (lambda arrays: arrays.update(scalars=np.ones(3)), "is truncated or no case file"),
        (
            lambda arrays: arrays.update(X=np.array([open], dtype=object)),
            "truncated or no case file",
        ),
    ],
)
def test_a_foreign_file_is_said(
    saved: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(CaseError) as caught:
        casefiles.load(rewritten(saved, change))
    assert message in str(caught.value)


def test_a_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("X.npy", bytes(65 * 2**20))
    assert bomb.stat().st_size < 2**20
    with pytest.raises(CaseError, match=r"unpacks to more than 64 MiB; no case does\.$"):
        casefiles.load(bomb)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"does not exist; it stands beside its run"):
        casefiles.load(tmp_path / "none.npz")
    with pytest.raises(CaseError, match=r"is truncated or no case file"):
        casefiles.load(tmp_path)


# The order of the parameters.


@given(cases())
def test_flat_follows_the_slots(case: Case) -> None:
    slots, vector = slots_of(case), flat(case.arrays.weights, case.arrays.biases)
    assert slots[0].start == 0
    assert slots[-1].stop == len(vector)
    assert all(a.stop == b.start for a, b in itertools.pairwise(slots))
    Ws, bs = per_layer(case, vector)
    for slot in slots:
        array = (case.arrays.weights if slot.letter == "W" else case.arrays.biases)[slot.layer - 1]
        back = (Ws if slot.letter == "W" else bs)[slot.layer - 1]
        assert array is not None
        assert back is not None
        assert array.shape == slot.shape == back.shape
        assert (array == back).all()
