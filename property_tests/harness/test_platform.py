"""The platform is measured, not assumed: exp and its like against balls, before every run.

A function that is worse than the bound assumes widens C for the whole run, and the run says so.
"""

import math
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb

from backproof import names, runfile
from backproof.case import Case
from backproof.errors import BackproofError
from backproof.tokens import token_of
from oracles import bound_tables, elementary
from oracles.bound import bound_of
from oracles.bound_tables import Array
from oracles.elementary import NUMPY, as_measured, measure, measured, needed, points
from property_tests.replaying import replay
from property_tests.verification import Plan, verify


class Heard:
    """A screen that remembers what was said, and the bound of CASE during the run."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.bound = bound_of(CASE).gradient

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, phase: str, done: int, total: int) -> None:
        self.bound = bound_of(CASE).gradient


CASE = Case((2, 3, 2), ("sigmoid", "identity"), seed=4)


def off_by(ulps: float, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function that is wrong by so many ULP (2u of the result), at one point in a hundred."""

    def planted(x: Array) -> Array:
        y = np.array(function(x))
        u = np.finfo(y.dtype).epsneg
        y[7::100] = y[7::100] * (1.0 + 2.0 * ulps * u)
        return y

    return planted


def test_this_machine_is_as_good_as_assumed_or_the_run_says_so() -> None:
    found = measure()
    assert {(one.name, one.dtype) for one in found} == {
        (name, dtype) for name in NUMPY for dtype in names.DTYPES
    }
    C, why = needed(found)
    assert (C == bound_tables.USUAL_C) == (not why)
    # A function that is rounded at all is off by some of u; nothing was compared with itself.
    assert all(0.3 < one.worst <= C for one in found), found


def through(tensor: Any, function: Any, x: Array) -> Array:
    """A framework's function, on a NumPy array."""
    return np.asarray(function(tensor(x)))


@pytest.mark.parametrize("dtype", names.DTYPES)
def test_torch_is_as_good_as_assumed(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for name in NUMPY:
        function = getattr(torch, name)
        one = measured(name, partial(through, torch.tensor, function), dtype)
        assert 0.3 < one.worst <= bound_tables.USUAL_C, one


@pytest.mark.parametrize("dtype", names.DTYPES)
def test_jax_is_as_good_as_assumed(jax_witness: object, dtype: str) -> None:
    import jax

    found = {"erf": jax.lax.erf}
    for name in NUMPY:
        function = jax.jit(found.get(name) or getattr(jax.numpy, name))
        with jax.enable_x64(True):
            one = measured(name, partial(through, jax.numpy.asarray, function), dtype)
        # XLA's cosh is exp(x - log 2), and x rounds there; of JAX nothing that is judged calls it.
        if name != "cosh":
            assert 0.3 < one.worst <= bound_tables.USUAL_C, one


@pytest.mark.parametrize("dtype", names.DTYPES)
def test_what_jax_takes_for_Phi_lies_in_the_row_of_gelu(jax_witness: object, dtype: str) -> None:
    """erfc(-x) / 2 is 1000 ULP off in its tail, where the row grants 1 u all the same."""
    import jax

    x = points("erf", dtype)
    with jax.enable_x64(True):
        found = np.asarray(jax.jit(jax.lax.erfc)(jax.numpy.asarray(-x)), np.float64)
    exact = np.array([float((-arb(v)).erfc()) for v in x.astype(float).tolist()])
    erf = np.array([abs(math.erf(v)) for v in x.tolist()])
    granted = np.finfo(dtype).epsneg * (bound_tables.USUAL_C * erf + 2.0)
    assert (np.abs(found - exact) <= granted).all()


@pytest.mark.parametrize("dtype", names.DTYPES)
def test_the_points_lie_where_functions_are_used(dtype: str) -> None:
    assert sum(points(name, dtype).size for name in NUMPY) >= 10_000
    for name in NUMPY:
        x = points(name, dtype)
        assert x.dtype == dtype
        assert x.tobytes() == points.__wrapped__(name, dtype).tobytes()
        assert (np.diff(x) > 0).all()
        assert (np.abs(x) <= 6).sum() > 800
        zero, least = (1.0, 100) if name == "log" else (0.0, 300)  # near 1 there are fewer numbers
        assert (np.abs(x - zero) < 1e-3).sum() > least
        assert (np.abs(x) > 0.9 * np.abs(x).max()).sum() > 10


def test_it_takes_less_than_a_third_of_a_second() -> None:
    elementary._exact.cache_clear()
    points.cache_clear()
    start = time.process_time()
    measure()
    assert time.process_time() - start < 0.3


# ---- planted ----


@pytest.mark.parametrize("dtype", names.DTYPES)
@pytest.mark.parametrize("name", NUMPY)
def test_a_function_10_ulp_off_is_named(name: str, dtype: str) -> None:
    one = measured(name, off_by(10.0, NUMPY[name]), dtype)
    assert 9.0 < one.ulp < 12.0
    C, why = needed([one, *measure()])
    assert 18.0 < C < 32.0
    assert why.startswith(name)


def test_a_bad_exp_widens_the_whole_run_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, screen = bound_of(CASE).gradient, Heard()
    monkeypatch.setitem(elementary.NUMPY, "exp", off_by(10.0, np.exp))
    run, _ = verify(Plan(cases=3, oracles="torch_autograd", out=tmp_path), screen)
    (told,) = [line for line in screen.said if "convention: C" in line]
    assert re.search(r"C = \d+ \(exp( in float32)? measured 1[01] ULP at ", told)
    assert told.endswith(run.header.conventions["C"])
    assert runfile.read_run(tmp_path / "run.jsonl").header.conventions == run.header.conventions
    assert (screen.bound > 1.2 * usual).all()
    assert bound_tables.C == bound_tables.USUAL_C
    assert (bound_of(CASE).gradient == usual).all()


def test_a_replay_is_judged_with_the_same_C(monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_of(CASE)
    usual = replay(token, None, "torch_autograd", None).bound
    monkeypatch.setitem(elementary.NUMPY, "exp", off_by(10.0, np.exp))
    assert (replay(token, None, "torch_autograd", None).bound > 1.2 * usual).all()


def test_a_C_of_1_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound_tables, "USUAL_C", 1.0)
    with as_measured() as widened:
        assert bound_tables.C >= 2.0
        assert "measured" in widened["C"]


def test_C_comes_back_after_a_run_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(elementary.NUMPY, "tanh", off_by(10.0, np.tanh))

    def failed() -> None:
        with as_measured():
            assert bound_tables.C > bound_tables.USUAL_C
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failed()
    assert bound_tables.C == bound_tables.USUAL_C


@pytest.mark.parametrize("broken", [np.nan, 0.0, np.inf])
def test_a_function_that_is_none_is_refused(broken: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Any) -> Any:
        y = np.array(np.exp(x))
        y[len(y) // 2] = broken
        return y

    monkeypatch.setitem(elementary.NUMPY, "exp", wrong)
    with pytest.raises(BackproofError, match="`exp` of this machine's NumPy is wrong in float64"):
        as_measured().__enter__()
