"""How fast are the witnesses? Ratios between things timed in turn, in one run, on one thread.

    python -m property_tests.bench            about four minutes; exit 1 if a target is missed
    python -m property_tests.bench --quick    fewer repetitions and cases, the same targets

A ratio outlives the machine it was measured on, a number of seconds does not, so the targets are
ratios. Two exceptions are said as such: JAX has to compile 10,000 architectures in ten seconds, and
a class of 200 is graded on two cores in three minutes.
Times are CPU seconds of this process where it works alone (another program on the machine then
costs nothing), wall-clock seconds of child processes.
"""

import os

# Before NumPy is imported: its BLAS reads these once.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from itertools import pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from backproof.case import Case  # noqa: E402
from backproof.errors import BackproofError, MissingExtraError  # noqa: E402
from backproof.gradients import Gradients, Side  # noqa: E402
from oracles.bound import bounds_of  # noqa: E402
from oracles.finite_difference import FiniteDifference, central_differences  # noqa: E402
from property_tests import grading  # noqa: E402
from property_tests.batched import batched_gradients  # noqa: E402
from property_tests.bench_check import waits  # noqa: E402
from property_tests.campaign import BLOCK  # noqa: E402
from property_tests.class_of_mistakes import write_class  # noqa: E402
from property_tests.sides import REFERENCE  # noqa: E402
from property_tests.space import sampled_case  # noqa: E402

_SEED = 2  # of the cases of parts 2 and 3
_LEAST_SECONDS = 0.5
_RUBRIC = Path(__file__).resolve().parent.parent / "examples" / "rubric.toml"
_STEP = 2.0**-17  # near the best single step for float64


@dataclass(frozen=True)
class Row:
    """One line of the table.

    seconds, baseline: medians of what is measured and of what it is compared with (`against`)
    ratio: median of the ratios of each turn   target: at least or at most this
    """

    part: str
    what: str
    seconds: float
    against: str
    baseline: float
    ratio: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """A number that is none misses every target."""
        low = self.at_least is None or self.ratio >= self.at_least
        return low and (self.at_most is None or self.ratio <= self.at_most)

    @property
    def target(self) -> str:
        """The target in words, "-" where there is none."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "-" if self.at_most is None else f"<= {self.at_most:g}"


def _in_turn(turns: int, works: Sequence[Callable[[], object]]) -> list[list[float]]:
    """CPU seconds of each work, `turns` times, one after the other in each turn.

    A short work is repeated within its turn, for half a second, and its mean is taken: one call
    alone pays for the caches that the work before it has emptied.
    """
    for work in works:
        work()  # imports and lazy tables are not what is measured
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(turns):
        for work, found in zip(works, seconds, strict=True):
            found.append(_mean_time(work))
    return seconds


def _mean_time(work: Callable[[], object]) -> float:
    start, times = time.process_time(), 0
    while times == 0 or time.process_time() - start < _LEAST_SECONDS:
        work()
        times += 1
    return (time.process_time() - start) / times


def _ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    return median(a / b for a, b in zip(numerators, denominators, strict=True))


# ---- 1: all derivatives by central differences, against torch's gradcheck ----

# widths, turns. The third has as many tanh per parameter as 32-64-80-36 of the prototype, within
# the widths of a case. Prototypes of the method were 46, 59, 29 and 40 times faster than gradcheck.
_NETS = (
    ((4, 7, 7, 3), 11),
    ((10, 20, 25, 12), 5),
    ((64, 64, 64, 16), 5),
    ((13,) * 7, 5),
)


def against_gradcheck(quick: bool) -> Iterator[Row]:
    """tanh nets, half squared error, 16 rows, float64, every weight and bias.

    gradcheck computes numerical and analytical derivatives of the same loss (`fast_mode=False`).
    The bar is timed beside: seven steps per element, each with a bound of its rounding.
    """
    torch = _one_threaded_torch()
    for widths, turns in _NETS:
        case = Case(widths, ("tanh",) * (len(widths) - 1), n=16, seed=3)
        size = sum((i + 1) * j for i, j in pairwise(widths))
        loss, parameters = _torch_loss(torch, case)
        _same_gradient(torch, case, loss, parameters)
        every_element = FiniteDifference(full_up_to=size, work=10**15)
        plain, bar, gradcheck = _in_turn(
            min(turns, 3) if quick else turns,
            (
                lambda case=case: central_differences(case, _STEP),  # type: ignore[misc]
                lambda case=case, oracle=every_element: oracle.gradients(case),  # type: ignore[misc]
                lambda loss=loss, parameters=parameters: torch.autograd.gradcheck(  # type: ignore[misc]
                    loss, parameters, fast_mode=False
                ),
            ),
        )
        net = f"{len(widths) - 1} layers, P = {size}"
        yield _speedup(f"central differences, {net}", plain, gradcheck, at_least=20.0)
        yield _speedup(f"seven steps, bar, {net}", bar, gradcheck)


def _speedup(
    what: str, mine: list[float], theirs: list[float], at_least: float | None = None
) -> Row:
    ratio = _ratio(theirs, mine)
    return Row("times faster", what, median(mine), "gradcheck", median(theirs), ratio, at_least)


def _one_threaded_torch() -> Any:
    try:
        import torch
    except ImportError as missing:
        raise MissingExtraError(
            "the bench compares with PyTorch; type: python -m pip install 'backproof[torch]'"
        ) from missing
    torch.set_num_threads(1)
    return torch


def _torch_loss(torch: Any, case: Case) -> tuple[Any, tuple[Any, ...]]:
    """The loss as a function of all weights and biases, and these."""
    X, Y = torch.tensor(case.arrays.X), torch.tensor(case.arrays.Y)
    arrays = [a for pair in zip(case.arrays.weights, case.arrays.biases, strict=True) for a in pair]
    parameters = tuple(torch.tensor(array, requires_grad=True) for array in arrays)

    def loss(*parameters: Any) -> Any:
        O = X
        for W, b in zip(parameters[::2], parameters[1::2], strict=True):
            O = torch.tanh(O @ W + b)
        return 0.5 * ((O - Y) ** 2).sum()

    return loss, parameters


def _same_gradient(torch: Any, case: Case, loss: Any, parameters: tuple[Any, ...]) -> None:
    """Both sides of the race must differentiate the same function."""
    parts = torch.autograd.grad(loss(*parameters), parameters)
    expected = torch.cat([part.ravel() for part in parts]).numpy()
    found = central_differences(case, _STEP)
    if not np.allclose(found, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max()):
        raise BackproofError("`central_differences` and torch differ, so their times mean nothing.")


# ---- 2: JAX on architectures that never repeat ----


def _compiling(quick: bool) -> Iterator[Row]:
    """10,000 standard architectures in two processes, the second with the first one's cache."""
    count = 1000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_jax_process(count, Path(folder)) for _ in range(2))
    part, what = "seconds, wall", f"jax gradients of {count} architectures"
    programs = f"{first['compiled']:.0f} compiled"
    yield Row(part, f"{what}, new process", first["seconds"], programs, 1.0, first["seconds"],
              at_most=10.0)  # fmt: skip
    yield Row(part, f"{what}, again", second["seconds"], f"{second['loaded']:.0f} loaded", 1.0,
              second["seconds"], at_most=10.0)  # fmt: skip
    yield Row("number", "programs compiled in the second process", second["seconds"], "none",
              1.0, second["compiled"], at_most=0.0)  # fmt: skip


def _jax_process(count: int, cache: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "property_tests.bench", "--jax-child", str(count)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache)}
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise BackproofError(f"the JAX process of the bench failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _jax_child(count: int) -> None:
    """In a process of its own: what the first `gradients_of` costs, with all compilation."""
    from oracles import jax_grad

    cases = [sampled_case(_SEED, index, size="standard") for index in range(count)]
    for case in cases:
        _ = case.arrays  # drawing is not what is measured
    side = jax_grad.JaxGrad()
    start = time.perf_counter()
    answers = side.gradients_of(cases)
    seconds = time.perf_counter() - start
    if not all(isinstance(answer, Gradients) for answer in answers):
        raise BackproofError("JAX left a case of the bench without an answer.")
    counted = jax_grad.compilations
    print(json.dumps({"seconds": seconds, "compiled": counted.compiled, "loaded": counted.loaded}))


# ---- 3: one case of the standard size, against the article's backprop ----


def _per_case(quick: bool) -> Iterator[Row]:
    """Each side answers the same cases; no side may cost more than it is worth."""
    from oracles.jax_grad import JaxGrad
    from oracles.torch_autograd import TorchAutograd

    count = 100 if quick else 400
    cases = [sampled_case(_SEED, index, size="standard") for index in range(count)]
    sides: list[tuple[Side, float]] = [
        (TorchAutograd(), 20.0),
        (JaxGrad(), 5.0),
        (FiniteDifference(), 150.0),
    ]
    works: list[Callable[[], object]] = [lambda: REFERENCE.gradients_of(cases)]
    works += [lambda side=side: side.gradients_of(cases) for side, _ in sides]  # type: ignore[misc]
    works.append(lambda: bounds_of(cases))
    base, *others = _in_turn(3 if quick else 5, works)
    names = [(side.name, most) for side, most in sides] + [("bounds_of", 10.0)]
    for (name, most), seconds in zip(names, others, strict=True):
        ratio = _ratio(seconds, base)
        mine, theirs = median(seconds) / count, median(base) / count
        yield Row("times as long", f"{name}, a case", mine, "reference_impl", theirs, ratio,
                  at_most=most)  # fmt: skip


# ---- 4: the bound of a block of cases, against backprop of the same block ----


def _bound(quick: bool) -> Iterator[Row]:
    """As campaigns use it: the cases of one block at once, from the cases to a vector for each.

    Both sides are batched in the same manner: products of matrices over the same padded arrays,
    one call of each activation per layer. (The bound leaves the padding out of those. It holds a
    backprop of its own, the witness', and at undecided signs a second.)
    """
    cases = [sampled_case(_SEED, index, size="standard") for index in range(BLOCK)]
    _same_gradients(cases)
    mine, theirs = _in_turn(
        5 if quick else 11, [lambda: bounds_of(cases), lambda: batched_gradients(cases)]
    )
    what = f"bounds_of, {BLOCK} cases at once, a case"
    yield Row("times as long", what, median(mine) / BLOCK, "batched NumPy backprop",
              median(theirs) / BLOCK, _ratio(mine, theirs), at_most=2.0)  # fmt: skip


def _same_gradients(cases: Sequence[Case]) -> None:
    """The baseline must do what it is there for: its gradients lie within their bounds."""
    for found, own in zip(batched_gradients(cases), bounds_of(cases), strict=True):
        with np.errstate(all="ignore"):
            within = np.abs(found - own.witness) <= 2.0 * own.gradient_kink
        if not within[np.isfinite(own.gradient)].all():
            raise BackproofError("the batched backprop is wrong, so its time means nothing.")


# ---- the table ----

# ---- 5: what a learner waits for ----


def _check(quick: bool) -> Iterator[Row]:
    for what, seconds, T, ratio, most in waits(1 if quick else 3):
        yield Row("times as long", what, seconds, "import torch, jax", T, ratio, at_most=most)


# ---- 6: what a teacher waits for ----


def _grade(quick: bool) -> Iterator[Row]:
    """A class with twelve different mistakes and, one in thirteen, none; 200 in three minutes."""
    count, jobs = 40 if quick else 200, 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_class(folder / "class", count)
        plan = grading.Plan(folder / "class", _RUBRIC, folder / "out", jobs)
        start = time.perf_counter()
        found = grading.grade(plan, lambda *_: None)
        seconds = time.perf_counter() - start
    if {each.status for each in found.grades} != {"right", "wrong", "error"}:
        raise BackproofError("The class of the bench was not judged, so its time means nothing.")
    what = f"grade, {count} submissions, {jobs} jobs"
    yield Row(
        "seconds, wall", what, seconds, "two cores", 1.0, seconds, at_most=180.0 * count / 200
    )


_PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "gradcheck": against_gradcheck,
    "jax": _compiling,
    "costs": _per_case,
    "bound": _bound,
    "check": _check,
    "grade": _grade,
}


def exit_code(rows: Sequence[Row]) -> int:
    """1 if a target is missed, or if nothing was measured."""
    return 0 if rows and all(row.met for row in rows) else 1


def line(row: Row) -> str:
    """One row as text."""
    verdict = "" if row.target == "-" else ("ok" if row.met else "MISSED")
    against = (
        f"{row.against} {_short(row.baseline)}" if row.part.startswith("times") else row.against
    )
    return (
        f"{row.what:<50} {_short(row.seconds):>9}  {against:<26} "
        f"{row.ratio:>7.3g} {row.part:<14} {row.target:>7} {verdict}"
    ).rstrip()


def _short(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if all targets are met, 1 if not, 2 if it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and cases")
    parser.add_argument("--only", choices=_PARTS, action="append", help="this part, repeatable")
    parser.add_argument("--out", type=Path, default=Path("reports/out/bench.json"))
    parser.add_argument("--jax-child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.jax_child:
        _jax_child(options.jax_child)
        return 0
    rows = []
    try:
        for name in options.only or _PARTS:
            for row in _PARTS[name](options.quick):
                print(line(row), flush=True)
                rows.append(row)
    except BackproofError as error:
        print(error, file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    written = [{**asdict(row), "target": row.target, "met": row.met} for row in rows]
    options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
