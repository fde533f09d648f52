"""Case files on trial: every byte comes back, and damaged or foreign files are said."""

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

from backproof import casefiles
from backproof.case import Case
from backproof.errors import CaseError
from backproof.tokens import token_of
from property_tests.derived import with_arrays
from property_tests.harness.small_cases import ONE
from property_tests.space import Claims, sampled_case
from property_tests.strategies import cases


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


def test_a_token_leads_to_the_file_that_was_saved(saved: Path) -> None:
    token = token_of(casefiles.load(saved))
    assert casefiles.case_path(token, saved.parent) == saved


HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "token",
    [
        "file:../../etc/passwd",
        "file:/etc/passwd",
        f"file:../{HEX[3:]}",
        f"file:{HEX[1:]}",
        f"file:{HEX}0",
        f"file:{HEX}\n",
        f"file:file:{HEX}",
        f"file:{HEX.upper()}",
        f"FILE:{HEX}",
        f" file:{HEX}",
        f"file:{HEX[1:]}\u0661",
        f"file:C:{HEX[2:]}",
        "file:",
        HEX,
        "bp1r4000000000000007tp",
        "",
    ],
)
def test_a_token_never_leads_out_of_the_folder(token: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"names no case file; give `file:` and the 64 hexadec"):
        casefiles.case_path(token, tmp_path)


def test_a_long_token_is_quoted_in_short(tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        casefiles.case_path("file:" + "../" * 1000, tmp_path)
    assert len(str(caught.value)) < 250
