"""The formulas of `docs/tolerance.md` beside those of the code: both computed on the same numbers.

Each check returns the sentences that say where page and code differ, so that a planted difference
can be shown to it. `tolerance_page.py` reads the page.
"""

import copy
import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np

from backproof import names
from backproof.case import Case
from backproof.gradients import flat
from oracles import bound, bound_blocks, bound_losses, bound_tables, fd_rounding
from oracles.bound_tables import FAMILIES, Box, Family, Precision, precision_of
from property_tests.harness.tolerance_page import Formula, blocks, values

Faults = list[str]


def coarse(dtypes: Sequence[str]) -> Precision:
    """An arithmetic of 8 bits, in which second order and underflow count as well."""
    precision = precision_of(dtypes)
    return precision._replace(u=2.0**-8 + 0.0 * precision.u, eta=2.0**-10 + 0.0 * precision.u)


@contextmanager
def in_coarse_arithmetic() -> Iterator[None]:
    """While this lasts the bound is that of 8 bits, without the factor that `closed` adds."""
    with (
        mock.patch.object(bound, "precision_of", coarse),
        mock.patch.object(bound_blocks, "precision_of", coarse),
        mock.patch.object(bound, "closed", lambda E, _: E),
        mock.patch.object(bound_losses, "closed", lambda E, _: E),
    ):
        yield


def differ(title: str, name: str, page: Any, code: Any) -> Faults:
    """One sentence if two arrays are not the same, to 9 digits, where the code's is finite."""
    page, code = np.broadcast_arrays(np.asarray(page, np.float64), np.asarray(code, np.float64))
    known = np.isfinite(code)
    assert known.any()
    if np.allclose(page[known], code[known], rtol=1e-9, atol=0.0):
        return []
    return [f"{title}: the page has another {name} than the code"]


# ---- rows ----


def tags_of(family: Family) -> frozenset[str]:
    return frozenset(["any"] * family.autodiff + ["stranger"] * family.usual)


def boxes(dtype: str, family: Family, slope: float, far: bool) -> Box:
    """Boxes of many sizes, some far out, or else in coarse arithmetic."""
    sizes = [0.0, 1e-9, 0.01, 0.3, 0.8, 1.5, 4.0, 12.0, 40.0] + [4e18, 4.7e18] * far
    z, E = np.array(
        list(itertools.product([-x for x in sizes] + sizes, [0.0, 1e-16, 1e-6, 0.1, 2.0]))
    ).T[:, :, None, None]
    slopes, precision = np.full_like(z, slope), (precision_of if far else coarse)([dtype] * len(z))
    return Box(z, E, precision, slopes, family)


def row_faults(name: str, formulas: list[Formula]) -> Faults:
    """One activation, in every family and dtype."""
    if name not in bound_tables.PARTS:
        return [f"row {name}: not in the code"]
    found = []
    slope = 0.25 if name == "leaky_relu" else 0.0
    for dtype, family, far in itertools.product(names.DTYPES, FAMILIES, (False, True)):
        box = boxes(dtype, FAMILIES[family], slope, far)
        with np.errstate(all="ignore"):
            own = bound_tables.PARTS[name](box)
            known = {
                **{key: getattr(box, key) for key in ("z", "a", "E", "u", "low", "high")},
                **{"near": box.nearest, "far": box.farthest, "η": box.eta},
                **{"slope": slope, "o": own.o, "s": own.s},
                **{"C": bound_tables.C, "ROOM": bound_tables.ROOM},
            }
            got = values(formulas, known, tags_of(box.family))
        for part in ("r0", "L1", "r1", "L2"):
            found += differ(f"row {name} ({family})", part, got[part], getattr(own, part))
    return found


# ---- F1, F3 to F6, the step: what the code was called with, and what it gave back ----


@contextmanager
def remembered(module: Any, name: str) -> Iterator[list[tuple[dict[str, Any], Any]]]:
    """Every call of a function while this lasts: its arguments by name, and its result."""
    original, calls = getattr(module, name), []

    def calling(*args: Any, **named: Any) -> Any:
        result = original(*args, **named)
        bound_arguments = inspect.signature(original).bind(*args, **named).arguments
        calls.append((copy.deepcopy(bound_arguments), result))  # the bound writes over its arrays
        return result

    changed = mock.patch.object(module, name, calling)
    tables: list[dict[Any, Any]] = [bound_losses.DELTAS, bound_losses.SOFTMAX_DELTAS]
    with ExitStack() as patches:
        patches.enter_context(changed)
        for table in tables:
            own = {key: calling for key, function in table.items() if function is original}
            patches.enter_context(mock.patch.dict(table, own))
        yield calls


def cases() -> list[Case]:
    found = []
    for i, (loss, dtype) in enumerate(itertools.product(names.LOSSES, names.DTYPES)):
        for output in ("softmax", "tanh"):
            own = names.OUTPUT_ACTIVATION.get(loss, output)
            shared = {
                "loss": loss,
                "n": 5,
                "dtype": dtype,
                "bias": names.BIASES[i % 3],
                "seed": i,
                "scale": i % 3,
            }
            means = names.REDUCTIONS[i % 2]
            found.append(Case((3, 4, 3), ("sigmoid", own), reduction=means, **shared))  # type: ignore[arg-type]
    return found


def known_of(precision: Any) -> dict[str, Any]:
    """What every formula knows: u, η, C and g(n)."""
    u, eta = precision.u, precision.eta
    return {"u": u, "η": eta, "C": bound_tables.C, "g": lambda n: n * u / (1.0 - n * u)}


def of_F1(call: dict[str, Any]) -> dict[str, Any]:
    O, EO, _ = call["O"]
    return {"O": O, "EO": EO, "W": call["W"], "b": call["b"], "t": call["terms"]}


def of_F4(call: dict[str, Any]) -> dict[str, Any]:
    (G, EG), (S, ES) = call["G"], call["S"]
    return {"G": G, "EG": EG, "S": S, "ES": ES}


def of_F5(call: dict[str, Any]) -> dict[str, Any]:
    (O, EO, _), (D, ED, _) = call["O"], call["D"]
    return {"O": O, "EO": EO, "D": D, "ED": ED, "n": call["n"]}


def of_F6(call: dict[str, Any]) -> dict[str, Any]:
    D, ED, _ = call["D"]
    return {"D": D, "ED": ED, "W": call["W"], "m": call["fan_out"]}


def of_output(call: dict[str, Any]) -> dict[str, Any]:
    """What a function of `bound_losses.py` gets, with the parts that others of them compute."""
    out = call["out"]
    known = {"Y": out.Y, "factor": out.factor, "roundings": out.roundings, "d": out.width}
    known["E"] = bound_losses._real(out.EZ, out)
    if out.loss.startswith("binary"):
        box = Box(out.Z, out.EZ, out.precision, 0.0 * out.factor, out.family)
        p, Ep, _, _ = bound_tables.row_of("sigmoid", box)
        D = out.factor * np.where(out.Y == 1.0, -bound_tables.sigma(-out.Z), p - out.Y)
        ends = {"low": box.low, "high": box.high, "far": box.farthest}
        return {**known, **ends, "p": p, "Ep": Ep, "D": D}
    probabilities = bound_losses.softmax(out)
    p, Ep = probabilities.p, probabilities.E
    G, EG = (bound_losses._real(part, out) for part in bound_losses.squares(out, p, Ep))
    t, _ = bound_losses._shifted(out)
    return {**known, "p": p, "Ep": Ep, "G": G, "EG": EG, "t": t}


def of_squares(call: dict[str, Any]) -> dict[str, Any]:
    out = call["out"]
    G = out.factor * (call["o"] - out.Y)
    return {"factor": out.factor, "roundings": out.roundings, "EO": call["Eo"], "G": G}


def of_cross_entropy(call: dict[str, Any]) -> dict[str, Any]:
    known, out = of_output(call), call["out"]
    alone = (out.Y == out.Y.sum(-1, keepdims=True)) & (known["p"] > 0.75)
    rest = bound_losses.softmax(out).rest
    D = np.where(alone, -out.Y * rest, known["p"] * out.Y.sum(-1, keepdims=True) - out.Y)
    return {**known, "D": out.factor * D}


Reader = Callable[[dict[str, Any]], dict[str, Any]]
Ends = Callable[[Any], dict[str, Any]]  # from what a function returned: the page's name of each E
# title -> where the function is, what the page's letters are, and what it returned
FORMULAS: dict[str, tuple[Any, str, Reader, Ends]] = {
    "F1": (bound, "F1_weighted_sum", of_F1, lambda found: {"EZ": found[1]}),
    "squares": (bound_losses, "squares", of_squares, lambda found: {"EG": found[1]}),
    "softmax": (bound, "softmax", of_output, lambda p: {"Ep": p.E, "least": p.least}),
    "squared_error_of_softmax": (
        bound_losses, "squared_error_of_softmax", of_output, lambda found: {"ED": found[1]},
    ),
    "binary_cross_entropy": (
        bound_losses, "binary_cross_entropy", of_output, lambda found: {"ED": found[1]},
    ),
    "cross_entropy": (
        bound_losses, "cross_entropy", of_cross_entropy, lambda found: {"ED": found[1]},
    ),
    "F4": (bound, "F4_delta", of_F4, lambda found: {"ED": found[1]}),
    "F5": (bound, "F5_gradients", of_F5, lambda f: {"EdW": f[0][1], "Edb": f[1][1]}),
    "F6": (bound, "F6_outputs_below", of_F6, lambda found: {"EG": found[1]}),
}  # fmt: skip


@cache
def calls_of(title: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """What the function behind a block was called with, in each family, and what it returned."""
    module, name, _, ends = FORMULAS[title]
    found = []
    for family in FAMILIES:
        with in_coarse_arithmetic(), remembered(module, name) as calls:
            bound.bounds_of(cases(), family)
        found += [(f"{title} ({family})", call, ends(result)) for call, result in calls]
    return found


def call_faults(
    title: str, formulas: list[Formula], call: dict[str, Any], letters: Reader, code: dict[str, Any]
) -> Faults:
    """One call of the code and the page's formulas, where there are real neurons."""
    found, out = [], call.get("out")
    precision = out.precision if out else call["precision"]
    tags = set(tags_of(out.family)) if out else set[str]()
    if out and out.loss.startswith("cross"):
        on_p = out.loss == "cross_entropy" and out.family.probabilities
        tags.add("probabilities" if on_p else "logits")
    with np.errstate(all="ignore"):
        got = values(formulas, {**known_of(precision), **letters(call)}, frozenset(tags))
        for name, own in code.items():
            page = got[name]
            if out:
                page, own = (np.where(out.neurons, x, np.nan) for x in (page, own))
            found += differ(title, name, page, own)
    return found


def step_faults(form: str, formulas: list[Formula]) -> Faults:
    """E of a step, in one of its forms."""
    found = []
    for case in cases():
        rng = np.random.default_rng(case.seed)
        before = flat(case.arrays.weights, case.arrays.biases)
        E, step = rng.random(before.size), rng.normal(size=before.size)
        with in_coarse_arithmetic():
            code = bound.step_bound(case, E, step, form)
        precision = Precision(*(x.ravel() for x in coarse([case.dtype])))
        letters = {"EdW": E, "step": step, "before": before, "α": case.alpha}
        got = values(formulas, {**known_of(precision), **letters})
        found += differ(f"step {form}", "E", bound._finished(got["E"]), code)
    return found


BARS: dict[str, dict[str, Any]] = {
    "rounding": fd_rounding._ROUNDING,
    "steepest": fd_rounding._STEEPEST,
}


def bar_faults(kind: str, formulas: list[Formula]) -> Faults:
    """What a finite difference takes for the rounding, or the slope, of each activation."""
    low, high = np.array([(-9.0, -8.0), (-2.0, -1.0), (-0.1, 0.1), (0.0, 0.0), (0.5, 3.0)]).T
    a, o = np.linspace(0.1, 9.0, 5), np.linspace(0.2, 8.0, 5)
    near, left = np.maximum(np.maximum(low, -high), 0.0), np.maximum(-high, 0.0)
    known = {"C": fd_rounding._C, "a": a, "o": o, "slope": 0.25}
    known |= {"low": low, "high": high, "near": near, "left": left}
    code, on_page = BARS[kind], {formula.name for formula in formulas}
    found = [f"fd {kind}: {name} is not in both" for name in on_page ^ set(code)]
    for formula in formulas:
        if formula.name in code:
            own = code[formula.name](*((a, o) if kind == "rounding" else (low, high, 0.25)))
            of_page = values([formula], known)[formula.name]
            found += differ(f"fd {kind}", formula.name, of_page, own)
    return found


# ---- all of them ----

TITLES = (
    *FORMULAS,
    *(f"row {name}" for name in bound_tables.PARTS),
    *(f"step {form}" for form in ("direct", "after_minus_before")),
    *(f"fd {kind}" for kind in BARS),
)


def titles_of(title: str) -> list[str]:
    """`row relu, leaky_relu` is the block of both."""
    kind, _, rest = title.partition(" ")
    return [f"{kind} {name}" for name in rest.split(", ")] if kind == "row" else [title]


def block_faults(title: str, formulas: list[Formula]) -> Faults:
    """What is wrong with one block of the page."""
    kind = title.partition(" ")[0]
    if title in FORMULAS:
        letters = FORMULAS[title][2]
        calls = calls_of(title)
        with in_coarse_arithmetic():
            parts = [
                call_faults(where, formulas, call, letters, code) for where, call, code in calls
            ]
    elif kind in ("row", "step", "fd"):
        check = {"row": row_faults, "step": step_faults, "fd": bar_faults}[kind]
        parts = [check(own.partition(" ")[2], formulas) for own in titles_of(title)]
    else:
        parts = [[f"{title}: the code has no such formulas"]]
    return [fault for part in parts for fault in part]


def formula_faults(page: str) -> Faults:
    """What is wrong with the formulas of a page, or missing."""
    on_page = blocks(page)
    there = Counter(own for title in on_page for own in titles_of(title))
    missing = [f"{title}: {there[title]} blocks" for title in TITLES if there[title] != 1]
    return missing + [
        fault for title, formulas in on_page.items() for fault in block_faults(title, formulas)
    ]
