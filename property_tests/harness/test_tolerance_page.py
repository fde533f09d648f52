"""`docs/tolerance.md` is held to the code: formulas are evaluated, tables, numbers and names read.

Each check returns the sentences that say where page and code differ; each is shown a page, or a
code, that is planted. `tolerance_formulas.py` has the checks of formulas.
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from unittest import mock

import numpy as np
import pytest

from backproof import names
from oracles import bound, bound_losses, bound_tables
from oracles.bound import bound_of
from property_tests.harness import tolerance_formulas
from property_tests.harness.adversary import worst_errors
from property_tests.harness.balls import truth_of
from property_tests.harness.bound_terms import seen_by_boxes
from property_tests.harness.inside import given, reference_gradient
from property_tests.harness.terms import Term, mutated, terms
from property_tests.harness.test_bound_terms import SURVIVORS
from property_tests.harness.tolerance_formulas import (
    Faults,
    block_faults,
    formula_faults,
    remembered,
)
from property_tests.harness.tolerance_page import PAGE, ROOT, blocks, section, table, value_of

TEXT = PAGE.read_text(encoding="utf-8")


def code_of(path: str) -> object:
    """`bound_tables.ROOM` -> what it is. Raises AttributeError or ModuleNotFoundError."""
    module, _, attribute = path.partition(".")
    return getattr(import_module(f"oracles.{module}"), attribute)


# ---- formulas ----


def test_every_formula_of_the_page_is_that_of_the_code() -> None:
    found = formula_faults(TEXT)
    assert not found, "\n".join(found)


def test_every_number_of_every_formula_counts() -> None:
    """A page with any other number in any formula is not that of the code."""
    unseen, count = [], 0
    for title, formulas in blocks(TEXT).items():
        for i, formula in enumerate(formulas):
            for match in re.finditer(r"(?<![\w.])\d+(\.\d+)?", formula.text):
                number = float(match[0])
                other = number + 1.0 if number < 2.0 else 1.5 * number
                text = formula.text[: match.start()] + str(other) + formula.text[match.end() :]
                planted = [*formulas[:i], formula._replace(text=text), *formulas[i + 1 :]]
                count += 1
                if not block_faults(title, planted):
                    unseen.append(f"{title}: {text}")
    assert count > 150
    assert not unseen, "\n".join(unseen)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[stranger] r0 += 2·u\n", "", "row softplus (stranger): the page has another r0"),
        ("[any] r1 += 6", "[stranger] r1 += 6", "row softsign (any): the page has another r1"),
        ("```formulas row gelu\n", "```formulas row mish\n", "row gelu: 0 blocks"),
        ("```formulas row gelu\n", "```formulas row mish\n", "row mish: not in the code"),
        ("```formulas F6\n", "```formulas F7\n", "F6: 0 blocks"),
        ("```formulas F6\n", "```formulas F7\n", "F7: the code has no such formulas"),
        ("silu = (C + 4)·o\n", "", "fd rounding: silu is not in both"),
        ("L2 = bell(near)\n", "L2 = bell(far)\n", "row softplus (numpy): the page has another L2"),
    ],
)
def test_a_planted_formula_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    assert any(fault.startswith(message) for fault in formula_faults(TEXT.replace(old, new, 1)))


def test_a_row_of_the_code_that_is_not_on_the_page_is_named() -> None:
    """A constant that moves in the code alone."""
    with mock.patch.object(bound_tables, "by_tanh", lambda box: 0.0 * box.z):
        found = formula_faults(TEXT)
    assert {fault.split(":")[0] for fault in found} == {
        "row sigmoid (stranger)",
        "row silu (stranger)",
        "binary_cross_entropy (stranger)",
    }


@pytest.mark.parametrize("text", ["__import__('os')", "x.y", "[a, b]", "1 if x else 2", "unknown"])
def test_a_formula_that_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        value_of(text, {"x": 1.0, "a": 1.0, "b": 1.0})


def test_a_line_that_is_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="a formula that is none: r0 is small"):
        formula_faults(TEXT.replace("L1 = σ(high)\n", "r0 is small\n"))


def test_a_block_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="the formulas of F5 twice"):
        formula_faults(TEXT.replace("```formulas F6\n", "```formulas F5\n"))


# ---- tables ----


def loss_faults(page: str) -> Faults:
    on_page = {
        (loss, softmax == "yes"): function.strip("`")
        for loss, softmax, function in table(page, "loss")
    }
    functions = {**bound_losses.DELTAS, **bound_losses.SOFTMAX_DELTAS}
    code = {key: function.__name__ for key, function in functions.items()}
    return [f"{key}: {on_page.get(key)} on the page, {code.get(key)} in the code"
            for key in {*on_page, *code} if on_page.get(key) != code.get(key)]  # fmt: skip


def family_faults(page: str) -> Faults:
    on_page = {name: tuple(x == "yes" for x in flags[:3]) for name, *flags in table(page, "family")}
    code = {name: tuple(family) for name, family in bound_tables.FAMILIES.items()}
    return [] if on_page == code else [f"families: {on_page} on the page, {code} in the code"]


def constant_faults(page: str) -> Faults:
    found = []
    for path, value, _ in table(page, "constant"):
        on_page, code = value_of(value, {}), code_of(path.strip("`"))
        if not np.isclose(on_page, code, rtol=1e-12):  # type: ignore[call-overload]
            found.append(f"{path}: {on_page} on the page, {code} in the code")
    return found


def survivor_faults(page: str) -> Faults:
    on_page = {reason: tuple(rest) for reason, *rest in table(page, "reason")}
    code = {}
    for reason, own in SURVIVORS.items():
        which = Counter(own.values())
        where = Counter(text.partition(":")[0] for text in own)
        counts = (str(which[name]) for name in ("both", "zero", "quarter"))
        code[reason] = (*counts, ", ".join(f"{name} {count}" for name, count in where.items()))
    found = [
        f"{reason}: {on_page.get(reason)} on the page, {code.get(reason)} in the code"
        for reason in {*on_page, *code}
        if on_page.get(reason) != code.get(reason)
    ]
    said = f"There are {len(terms())} terms; of {sum(map(len, SURVIVORS.values()))} of them"
    return found if said in " ".join(page.split()) else [*found, f"the page does not say: {said}"]


@cache
def is_seen(term: Term, factor: float) -> bool:
    with mutated(term, factor):
        return seen_by_boxes(term)


def share_faults(page: str) -> Faults:
    """How much of a term 800 boxes need, to within 0.04."""
    found = []
    for function, term, share in table(page, "function"):
        text = f"{function}: {term.strip('`')} [beside"
        (own,) = [one for one in terms() if str(one).startswith(text)]
        for factor, seen in ((float(share) - 0.04, True), (float(share) + 0.04, False)):
            if is_seen(own, factor) != seen:
                found.append(f"{text}: {factor} of it is {'not ' * seen}seen to be too little")
    return found


CHECKS: dict[str, Callable[[str], Faults]] = {
    "losses": loss_faults,
    "families": family_faults,
    "constants": constant_faults,
    "survivors": survivor_faults,
    "shares": share_faults,
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_table_is_that_of_the_code(name: str) -> None:
    found = CHECKS[name](TEXT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("losses", "| mean_squared_error | no | `squared_error` |\n", ""),
        ("losses", "| yes | `squared_error_of_softmax` |", "| yes | `squared_error` |"),
        ("families", "| any | yes | no | no |", "| any | yes | no | yes |"),
        ("constants", "| `bound_tables.ROOM` | 1/64 |", "| `bound_tables.ROOM` | 1/32 |"),
        ("survivors", "| step_bound 2 |", "| step_bound 1 |"),
        ("survivors", "There are ", "There were "),
        ("shares", "`2.0 * far ** 2` | 0.56", "`2.0 * far ** 2` | 0.66"),
        ("shares", "`2.0 * far ** 2` | 0.56", "`2.0 * far ** 2` | 0.46"),
    ],
)
def test_a_planted_cell_is_named(name: str, old: str, new: str) -> None:
    assert old in TEXT
    assert CHECKS[name](TEXT.replace(old, new, 1))


# ---- one neuron ----


def neuron_faults(page: str) -> Faults:
    """The table of section 1, from the bound's own functions."""
    case = given([[[0.75]]], [[0.5]], [[1.0]], ["sigmoid"], biases=[[0.125]])
    u, found = 2.0**-53, bound_of(case)
    with ExitStack() as stack:
        Z, squares, D = (
            stack.enter_context(remembered(module, name))
            for module, name in (
                (bound, "F1_weighted_sum"), (bound_losses, "squares"), (bound_losses, "product"),
            )
        )  # fmt: skip
        bound_of(case)
    G, S = D[0][0]["G"], D[0][0]["S"]
    pairs = [Z[0][1], (squares[0][0]["o"], squares[0][0]["Eo"]), S, G, D[0][1]]
    corner = [(float(x[0, 0, 0]), float(E[0, 0, 0]) / u) for x, E in pairs]
    corner += list(zip(found.witness.tolist(), (found.gradient / u).tolist(), strict=True))
    code = [(f"{value:.4g}", f"{E:.4g}") for value, E in corner]
    on_page = [(value, E) for _, value, E, _ in table(page, "number")]
    faults = [
        f"{a} on the page, {b} in the code" for a, b in zip(on_page, code, strict=True) if a != b
    ]
    error = truth_of(case).errors(reference_gradient(case))[0]
    E, W = found.gradient[0], abs(found.witness[0])
    said = [
        f"within {E / u:.4g} u = {E:.3g} of the exact one, a relative {E / W:.1g}",
        f"NumPy computes is off by {error / u:.3g} u",
        f"The bound is {E / error:.0f} times that",
        f"comes to {worst_errors(case, 'numpy')[0] / u:.3g} u",
        f"dLoss/dw that is off by {1e-8 * W / u:.0e}".replace("e+06", "e6"),
    ]
    flowing = " ".join(page.split())
    return faults + [f"the page does not say: {text}" for text in said if text not in flowing]


def test_the_neuron_is_computed_again() -> None:
    found = neuron_faults(TEXT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("old", "new"), [("| 7.193 |", "| 7.192 |"), ("0.0403 u", "0.0404 u")])
def test_a_planted_digit_is_named(old: str, new: str) -> None:
    assert neuron_faults(TEXT.replace(old, new))


# ---- names, files, assumptions ----


def name_faults(page: str) -> Faults:
    """Paths in back-ticks that are not there, and names that no module of ours has."""
    words = set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)))
    paths = {word for word in words if re.fullmatch(r"[\w/]+\.(py|md|txt|toml)", word)}
    found = [f"{path} does not exist" for path in paths if not (ROOT / path).exists()]
    found += [f"{link} does not exist" for link in re.findall(r"\]\(([\w./]+)\)", page)
              if not (PAGE.parent / link).exists()]  # fmt: skip
    for word in words - paths:
        if re.fullmatch(r"[a-z_]+\.\w+", word):
            try:
                code_of(word)
            except (AttributeError, ModuleNotFoundError):
                found.append(f"{word} is not in oracles")
        elif re.fullmatch(r"[A-Za-z_]{3,}", word) and word not in KNOWN:
            found.append(f"{word} is nothing that the code has")
    return found


KNOWN = {
    *names.VERDICTS, *names.ACTIVATIONS, *names.LOSSES, *vars(bound_losses), *vars(bound_tables),
    *bound.Bound._fields, *bound_tables.Box.__dataclass_fields__,
    *bound_losses.Output._fields, "Case", "step", *tolerance_formulas.FORMULAS,
    "exact", "fd_bar_exceeded", "standard", "rtol", "atol",
    *(formula.name for block in blocks(TEXT).values() for formula in block),
}  # fmt: skip


def assumption_faults(page: str) -> Faults:
    """A1, A2, ... each explained once, in order; no other one is spoken of; all sections linked."""
    explained = re.findall(r"^- \*\*A(\d+) \(", page, re.M)
    spoken_of = set(re.findall(r"\bA(\d+)\b", page))
    found = [] if explained == [str(i + 1) for i in range(len(explained))] else ["A's: no order"]
    found += [f"A{i} is not explained" for i in spoken_of - set(explained)]
    titles = re.findall(r"^## (\d+\. .+)$", page, re.M)
    listed = re.findall(r"^\d+\. \[(.+)\]\(#.+\)$", page, re.M)
    same = [title.partition(". ")[2] for title in titles] == listed
    return found if same else [*found, "the list of sections is not that of the headings"]


@pytest.mark.parametrize("check", [name_faults, assumption_faults])
def test_names_files_and_assumptions_are_there(check: Callable[[str], Faults]) -> None:
    found = check(TEXT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (name_faults, "`oracles/bound.py`", "`oracles/bounds.py`"),
        (name_faults, "`bound_tables.closed`", "`bound_tables.close`"),
        (name_faults, "`reach`", "`rich`"),
        (name_faults, "(kinks.md)", "(kink.md)"),
        (assumption_faults, "(A8)", "(A18)"),
        (assumption_faults, "- **A4 (", "- **A5 ("),
        (assumption_faults, "## 2. Letters", "## 2. Words"),
    ],
)
def test_a_planted_name_is_named(check: Callable[[str], Faults], old: str, new: str) -> None:
    assert old in TEXT
    assert check(TEXT.replace(old, new))


def test_every_test_of_the_bound_is_cited() -> None:
    """What the section on tests leaves out would be a statement without a test, or the reverse."""
    cited = section(TEXT, "How all this is tested")
    tests = {path.name for path in (ROOT / "property_tests/harness").glob("test_bound*.py")}
    assert len(tests) >= 4
    assert not [name for name in tests if name not in cited]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_page_is_linked(document: str) -> None:
    assert "(docs/tolerance.md)" in (ROOT / document).read_text(encoding="utf-8")
