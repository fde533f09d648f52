"""PyTorch and JAX on trial: what their default functions do that is not the exact derivative.

`python -m property_tests.frameworks --out docs/frameworks.md` measures every row of
`framework_rows.py` on a fixed grid of points and writes the table, with a reproduction each that
needs the framework alone. The witnesses in `oracles` avoid these functions.

A row is measured on nets of one layer. An activation: W = (z), X = (1), Y = (-2), half the squared
error, so that dW = (o + 2) g'(z), where nothing cancels. A loss: one logit z, or two, z and 0, with
the label 1 at the first and then 0. Who is right is `oracles.exact`; how far right code may be off
is the bound of the family "any".
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from backproof import names
from backproof.ball import working
from backproof.case import Arrays, Case
from backproof.gradients import Gradients, Vector
from backproof.tokens import token_of
from oracles.bound import bounds_of
from oracles.exact import Exact
from oracles.exact_network import SMOOTH
from property_tests.framework_rows import ROWS, Row

# exp(-z) falls below u at z = 36.7, and below any float64 at 745.
_POINTS = [*np.arange(0, 45, 0.75).tolist(), *np.geomspace(45, 760, 20).tolist()]
GRID = sorted({*_POINTS, *(-z for z in _POINTS)})
# Drawn cases of one layer, among which the token is found: half of integers, so short numbers.
_SEEDS, _DRAWN = range(40), (("integers", 0), ("integers", 2), ("saturated", 0), ("saturated", 3))
# A right function is allowed so many ULP (the C of the bound); below that, nothing deviates.
NOTHING = 4.0


class Measured(NamedTuple):
    """One row's figures.

    ulps: the worst error of dW in ULP of the exact one
    at: the smallest |z| where it is half of that or more, with its sign
    units: the worst error in units of the bound of right code, on the whole grid; of a convention:
        in units of the interval of right values at the kink, where 1 is its end (NaN: no case)
    nans: at how many points it is no number where the exact derivative is one
    token: of the drawn case of one layer in which it is furthest off, or ""
    shown: how far that is, in units of the bound
    """

    ulps: float
    at: float
    units: float
    nans: int
    token: str = ""
    shown: float = np.nan


def measured(row: Row) -> Measured:
    """Measure one row. Raises ImportError where its framework is missing."""
    if not row.name:  # no case has it: only its derivative can be told
        return Measured(np.nan, row.z, np.nan, 0)
    grid, tokens = on_the_grid(row), drawn(row)
    wrong = _errors(row, grid + tokens)  # at once: a framework's time goes into the first call
    errors, exact, units = (array[: len(grid)] for array in wrong)
    ulps = _ulps(row, errors, exact)
    z = np.array([case.arrays.weights[0][0, 0] for case in grid])
    at = np.argmin(np.where(ulps >= ulps.max() / 2, np.abs(z), np.inf))
    furthest = int(np.argmax(wrong.units[len(grid) :]))
    nans = int(np.isnan(errors).sum())
    return Measured(
        ulps=float(ulps.max()),
        at=float(z[at]),
        units=float(units.max()),
        nans=nans,
        token=token_of(tokens[furthest]),
        shown=float(wrong.units[len(grid) + furthest]),
    )


def _ulps(row: Row, errors: Vector, exact: Vector) -> Vector:
    """Errors in ULP, none at a NaN (those are counted) and where the exact value is subnormal."""
    size = np.abs(exact).astype(row.dtype)
    told = ~np.isnan(errors) & (size >= np.finfo(row.dtype).smallest_normal)
    return np.where(told, errors, 0.0) / np.spacing(np.where(told, size, 1)).astype(np.float64)


def on_the_grid(row: Row) -> list[Case]:
    """The nets of one layer on which a row is measured."""
    points = [0.0] if row.kind == "convention" else GRID
    labels = [1.0, 0.0] if row.name in names.LOSSES else [-2.0]
    return [_one_layer(row, z, y) for y in labels for z in points]


def _one_layer(row: Row, z: float, y: float) -> Case:
    two = row.name.startswith("cross_entropy")
    made = [[[z, 0.0]] if two else [[z]], [[1.0]], [[y, 1.0 - y]] if two else [[y]]]
    W, X, Y = (np.array(array, dtype=row.dtype) for array in made)
    activation, loss = _names(row)
    return Case(
        (1, W.shape[1]),
        (activation,),
        loss,
        bias="none",
        regime="real",
        dtype=row.dtype,
        given=Arrays((W,), (None,), X, Y),
    )


def _names(row: Row) -> tuple[str, str]:
    if row.name in names.LOSSES:
        return names.OUTPUT_ACTIVATION[row.name], row.name
    return row.name, "half_squared_error"


def drawn(row: Row) -> list[Case]:
    """Cases with a token, one layer and one row each."""
    activation, loss = _names(row)
    widths = (1, 2 if row.name.startswith("cross_entropy") else 1)
    kinds = (("zeros", 0),) if row.kind == "convention" else _DRAWN
    return [
        Case(widths, (activation,), loss, regime=regime, scale=scale, dtype=row.dtype, seed=seed)
        for regime, scale in kinds
        for seed in _SEEDS
    ]


class _Errors(NamedTuple):
    """Of dW's first element, case by case: |ours - exact|, the exact one, and units of the bound.

    In units the error of a convention is measured by the interval of right values. NaN: no number.
    """

    errors: Vector
    exact: Vector
    units: Vector


def _errors(row: Row, cases: Sequence[Case]) -> _Errors:
    with np.errstate(all="ignore"):
        ours = _gradients_of(row, cases)
        answers = [_exact().gradients(case) for case in cases]
        hi, lo = (
            np.array([_first(answer, name) for answer in answers])
            for name in ("gradient", "gradient_low")
        )
        errors = np.abs((ours - hi) - lo)
        E = np.array([bound.gradient[0] for bound in bounds_of(cases, "any")])
        if row.kind == "convention":
            E = E + np.array([_reach(answer) for answer in answers])
        units = errors / E
    # No error is none, whatever the bound; a NaN is as far as can be where the bound is finite.
    units[errors == 0] = 0.0
    units[np.isnan(errors)] = np.inf
    units[~np.isfinite(E)] = 0.0
    return _Errors(errors, hi, units)


@cache
def _exact() -> Exact:
    return Exact()


def _first(answer: object, name: str) -> float:
    assert isinstance(answer, Gradients)  # every case here is small enough to be judged
    return float(getattr(answer, name)[0])


def _reach(answer: object) -> float:
    """How far the first element may go where another slope is taken at a kink."""
    assert isinstance(answer, Gradients)
    ends, values = answer.gradient_ends, answer.gradient
    return 0.0 if ends is None or values is None else float(np.abs(ends - values).max(axis=0)[0])


def _gradients_of(row: Row, cases: Sequence[Case]) -> Vector:
    """The first element of dW of every case, by the framework's own derivative."""
    X, Y = (np.stack([getattr(case.arrays, name) for case in cases]) for name in ("X", "Y"))
    W = np.stack([case.arrays.weights[0] for case in cases])
    biases = [case.arrays.biases[0] for case in cases]
    b = np.stack([np.zeros(W.shape[2], row.dtype) if b is None else b for b in biases])[:, None, :]
    gradient = {"torch": _by_torch, "jax": _by_jax}[row.framework](row, W, b, X, Y)
    return np.asarray(gradient, dtype=np.float64)[:, 0, 0]


def _loss(row: Row, module: Any, Z: Any, Y: Any) -> Any:
    if row.name in names.LOSSES:
        return row.call(module, Z, Y)
    return ((row.call(module, Z) - Y) ** 2).sum() / 2


def _by_torch(row: Row, W: Any, b: Any, X: Any, Y: Any) -> Any:
    import torch

    W, b, X, Y = (torch.from_numpy(np.ascontiguousarray(array)) for array in (W, b, X, Y))
    W.requires_grad_()
    _loss(row, torch, X @ W + b, Y).backward()
    return W.grad.numpy()


def _by_jax(row: Row, W: Any, b: Any, X: Any, Y: Any) -> Any:
    with _x64() as jax:
        exactly = jax.lax.Precision.HIGHEST
        return jax.grad(
            lambda W: _loss(row, jax, jax.numpy.matmul(X, W, precision=exactly) + b, Y)
        )(W)


@contextmanager
def _x64() -> Iterator[Any]:
    import jax

    with jax.enable_x64(True):
        yield jax


def derivative(row: Row) -> float:
    """The framework's derivative at the point that the reproduction shows; of a loss, label 1."""
    if row.name in names.LOSSES:
        return float(_gradients_of(row, [_one_layer(row, row.z, 1.0)])[0])
    z = np.array([[[row.z]]], dtype=row.dtype)
    if row.framework == "torch":
        import torch

        Z = torch.from_numpy(z).requires_grad_()
        row.call(torch, Z).sum().backward()
        assert Z.grad is not None
        return float(Z.grad.item())
    with _x64() as jax:
        return float(jax.grad(lambda Z: row.call(jax, Z).sum())(z)[0, 0, 0])


def exact_text(row: Row) -> str:
    """What the derivative at the shown point is: 17 digits, or the interval at a kink."""
    intervals = {"relu": "any of [0, 1]", "leaky_relu": "any of [1/64, 1]", "": "any of [-1, 1]"}
    if row.kind == "convention":
        return intervals[row.name]
    with working(300):
        if row.name in names.LOSSES:
            label_1 = -1 / (1 + arb(row.z).exp())
            return f"{float(label_1):.17g}"
        z = arb(float(np.dtype(row.dtype).type(row.z)))
        return f"{float(SMOOTH[row.name](z)[1]):.17g}"


_TORCH = """\
import torch

z = torch.tensor({z!r}, dtype=torch.{dtype}, requires_grad=True)
({expression}).backward()
print(z.grad.item(), "exact: {exact}")
"""
_JAX = """\
import jax

jax.config.update("jax_enable_x64", True)
z = jax.numpy.asarray({z!r}, dtype="{dtype}")
print(float(jax.grad(lambda z: {expression})(z)), "exact: {exact}")
"""


def reproduction(row: Row) -> str:
    """A program of a few lines that shows the deviation with the framework alone."""
    program = {"torch": _TORCH, "jax": _JAX}[row.framework]
    fields = {"z": row.z, "dtype": row.dtype, "expression": row.expression}
    return program.format(**fields, exact=exact_text(row))


def complaint(row: Row, found: Measured) -> str:
    """One sentence if the framework does not do (any more) what the row says of it, or ""."""
    who = f"{row.framework}.{row.function} of {row.framework} {version(row.framework)}"
    then = "take its row out of property_tests/framework_rows.py, or say there what it does now."
    if row.kind == "convention":
        slope = derivative(row)
        if slope != row.says:
            return f"{who} has the slope {slope} at z = 0, not {row.says} any more; {then}"
        if found.units > 1:
            return f"{who} leaves the interval of right slopes at a kink: an error; {then}"
    elif not found.nans and found.ulps <= NOTHING:
        return f"{who} does not deviate any more ({found.ulps:.2g} ULP in {row.dtype}); {then}"
    return ""


_HEAD = """\
# Frameworks on trial

What PyTorch {torch} and JAX {jax} do by default that is not the exact derivative. Written by
`python -m property_tests.frameworks --out docs/frameworks.md`; a test measures it again and fails
where a version no longer does what stands here.

The error is that of dW of a net of one layer with the weight z, as the exact one says, on a fixed
grid from -760 to 760. **ULP**: the worst error in units in the last place of the exact value (where
that is no subnormal); 9e15, in float32 1.7e7, is all of it. **From z**: where it first reaches half
of that. **Bound**: the worst error in units of what rounding may do in right code (the family
"any"). Below 1 with many ULP is a tail that most code in floats loses, and that the bound knows of;
above 1 is more than rounding, and a witness with it would accuse right code. The token is a drawn
case of one layer in such a place: `backproof replay TOKEN` shows its exact numbers.

"""
_INACCURATE = (
    "| framework | function | dtype | what | ULP | from z | bound | token |\n" + "|---" * 8
)
_CONVENTION = (
    "## Conventions at a kink\n\nAt z = 0 every value between the two slopes is a right"
    " subgradient, so none of these is an error and\nthe verdict is `kink`. `relu` of both and"
    " `leaky_relu` of PyTorch take the slope of z < 0,\nas backproof does.\n\n"
    "| framework | function | slope at z = 0 | right | token |\n" + "|---" * 5
)


def page() -> str:
    """The whole table as Markdown: the same bytes for the same versions on the same machine."""
    found = {row: measured(row) for row in ROWS}
    lines = [_HEAD.format(torch=version("torch"), jax=version("jax")), _INACCURATE + "|\n"]
    lines += [_inaccuracy(row, found[row]) for row in ROWS if row.kind == "inaccuracy"]
    lines += ["\n", _CONVENTION + "|\n"]
    lines += [_convention(row, found[row]) for row in ROWS if row.kind == "convention"]
    lines += ["\n## Reproductions\n"]
    lines += [
        f"\n{row.framework}, `{row.function}`, {row.dtype}:\n\n```python\n{reproduction(row)}```\n"
        for row in ROWS
    ]
    return "".join(lines)


def version(framework: str) -> str:
    """Without the build's own suffix, such as +cpu."""
    return metadata.version(framework).partition("+")[0]


def _inaccuracy(row: Row, found: Measured) -> str:
    ulps, at, units = f"{found.ulps:.2g}", f"{found.at:.4g}", f"{found.units:.2g}"
    if found.nans:
        units = "NaN"
    cells = (row.framework, f"`{row.function}`", row.dtype, row.what, ulps, at, units, found.token)
    return _cells(*cells)


def _convention(row: Row, found: Measured) -> str:
    right = exact_text(row).removeprefix("any of ")
    return _cells(row.framework, f"`{row.function}`", row.what, right, found.token)


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|z|", "abs z") for cell in cells) + " |\n"


def main(words: Sequence[str] | None = None) -> int:
    """Write the table to --out, or to the terminal."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.frameworks")
    parser.add_argument("--out", type=Path, help="where to write the table (default: the terminal)")
    out = parser.parse_args(words).out
    text = page()
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
