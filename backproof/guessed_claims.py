"""Which activations and which loss a program has: by its text, and by what it answers.

Numbers only choose among claims: where some combination reproduces the program's own answer, up
to one positive factor, it is that one. A program that is wrong reproduces none; then its text
speaks.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backproof.case import Arrays
from backproof.drawing import Array
from backproof.proposal import Proposal

Combination = tuple[str, str, str]  # hidden, output, loss


def _sigmoid(Z: Array) -> Array:
    return 1 / (1 + np.exp(-Z))


def _softmax(Z: Array) -> Array:
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


_SLOPE = 0.01  # of leaky_relu, as nearly everybody writes it
_G: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda Z: np.maximum(Z, 0),
    "identity": lambda Z: Z,
    "softmax": _softmax,
    "leaky_relu": lambda Z: np.where(Z > 0, Z, _SLOPE * Z),
    "elu": lambda Z: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0))),
    "softplus": lambda Z: np.logaddexp(0, Z),
    "gelu": lambda Z: Z * (1 + np.vectorize(math.erf)(Z / math.sqrt(2))) / 2,
    "silu": lambda Z: Z * _sigmoid(Z),
    "softsign": lambda Z: Z / (1 + abs(Z)),
}
_LOSS: dict[str, Callable[[Array, Array], Any]] = {
    "half_squared_error": lambda O, Y: ((O - Y) ** 2).sum() / 2,
    "binary_cross_entropy": lambda O, Y: -(Y * np.log(O) + (1 - Y) * np.log(1 - O)).sum(),
    "cross_entropy": lambda O, Y: -(Y * np.log(O)).sum(),
}
_WORDS = {
    "sigmoid": r"sigmoid|expit|logistic|1(?:\.0?)?\s*/\s*\(\s*1(?:\.0?)?\s*\+",
    "tanh": r"tanh",
    "relu": r"relu|maximum\(\s*0|maximum\([^,]+,\s*0",
    "leaky_relu": r"leaky|lrelu|maximum\(\s*0?\.\d+\s*\*",
    "elu": r"\belu\b",
    "softplus": r"softplus|logaddexp",
    "gelu": r"gelu",
    "silu": r"silu|swish",
    "softsign": r"softsign",
    "softmax": r"softmax|/=?\s*[\w.]+\.sum\(|/=?\s*np\.sum\(",
}


_SELDOM = ("leaky_relu", "elu", "softplus", "gelu", "silu", "softsign")


def combinations_in(source: str) -> list[Combination]:
    """What the text may mean, the likeliest first."""
    used = _without_unused(source)
    has = [name for name, words in _WORDS.items() if re.search(words, used, re.IGNORECASE)]
    hidden: list[str] = [name for name in ("relu", "sigmoid", "tanh") if name in has]
    hidden = hidden or ["identity", "sigmoid"]
    if "relu" not in has and "tanh" in has and "sigmoid" in has:
        hidden = ["tanh", "sigmoid"]
    hidden += [name for name in _SELDOM if name in has]
    ends = [name for name in ("softmax", "sigmoid", "tanh") if name in has]
    outputs = [*ends, "identity", *(["relu"] if "relu" in has else [])]
    logs = bool(re.search(r"\blog\(|cross.?entropy", source, re.IGNORECASE))
    losses = {
        "softmax": ["cross_entropy", "half_squared_error"],
        "sigmoid": ["binary_cross_entropy", "half_squared_error"][:: 1 if logs else -1],
    }
    return [
        (h, output, loss)
        for output in outputs
        for h in hidden
        for loss in losses.get(output, ["half_squared_error"])
    ]


_OF_LOGS = re.compile(
    r"\blog(1p|2|10|addexp|_?loss|_?softmax|_?sigmoid)?\b|xlogy|entropy|bce|likelihood",
    re.IGNORECASE,
)


def unnamed_loss(loss: str | Sequence[str], source: str) -> str:
    """What to ask of a program whose gradient is a cross-entropy's, where its text has none."""
    losses = (loss,) if isinstance(loss, str) else loss
    if len(losses) != 1 or "entropy" not in losses[0] or _OF_LOGS.search(source):
        return ""
    return (
        f"its gradient is that of {losses[0]}, which its text never names: is that what it means?"
    )


def _without_unused(source: str) -> str:
    """The text without functions that it never calls."""
    tree = ast.parse(source)
    kept = [
        each
        for each in tree.body
        if not isinstance(each, ast.FunctionDef)
        or _ACTIVATION.search(each.name.lower()) is None
        or len(re.findall(rf"\b{each.name}\b", source)) > 1
    ]
    return "\n".join(ast.unparse(each) for each in kept)


_ACTIVATION = re.compile("sigm|tanh|relu|softmax|logistic")


def among(combinations: Sequence[Combination], proposal: Proposal) -> list[Combination]:
    """Those that a proposal may have whose nets are made with what it claims."""
    hidden, output = proposal.fields["hidden"], proposal.fields["output"]
    if "net.hidden" in proposal.make:
        return [(hidden, output, loss) for _, output, loss in combinations]
    if "net.activations" in proposal.make:
        return [(hidden, output, proposal.fields["loss"])]
    return list(combinations)


def named_claims(combination: Combination) -> dict[str, Any]:
    """The attributes that say so."""
    claims: dict[str, Any] = dict(zip(("hidden", "output", "loss"), combination, strict=True))
    return claims | ({"slope": _SLOPE} if "leaky_relu" in combination else {})


def told_by(fields: dict[str, Any]) -> Combination | None:
    """The first combination of a net of layers: they are called so, and numbers do not choose."""
    if isinstance(fields["hidden"], str):
        return None
    return fields["hidden"][0], fields["output"][0], fields["loss"][0]


def reproduced(
    combinations: Sequence[Combination], answers: Sequence[tuple[Arrays, Array]], *, falls: bool
) -> tuple[Combination | None, bool]:
    """Of which combination's gradient the answers are one multiple, by differences, and True.

    Where they are of none, of which that holds at the output's W and b alone, and False: then what
    is wrong lies below. None where there is none either.
    answers: some nets, and all that the program gives for each in one vector
    falls: an answer is a step, so the multiple is negative
    """
    expected = {
        each: [np.concatenate(list(_differences(each, net))) for net, _ in answers]
        for each in dict.fromkeys(combinations)
    }
    W, b = answers[0][0].weights[-1], answers[0][0].biases[-1]
    last = W.size + (0 if b is None else b.size)
    for part, all_of_it in ((slice(None), True), (slice(-last, None), False)):
        given = np.concatenate([answer[part] for _, answer in answers])
        cosines = {
            each: _cosine(np.concatenate([v[part] for v in vectors]), given, falls=falls)
            for each, vectors in expected.items()
        }
        # Of a tame net two formulas may lie near each other: the nearest one counts, not the first.
        nearest = max(cosines, key=lambda each: round(cosines[each], 12))
        if cosines[nearest] > _NEAR:
            return nearest, all_of_it
    return None, False


# Between two formulas the cosine differs by more, and a step in float32 by less.
_NEAR = 1 - 1e-8


def _cosine(expected: Array, answer: Array, *, falls: bool) -> float:
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(answer)) * float(np.linalg.norm(expected))
        cosine = float(answer @ expected) / size if size else 0.0
    found = -cosine if falls else abs(cosine)
    return found if np.isfinite(found) else 0.0


def _differences(combination: Combination, net: Arrays) -> Iterator[Array]:
    W, b = [w.copy() for w in net.weights], [None if v is None else v.copy() for v in net.biases]
    for arrays in zip(W, b, strict=True):
        for array in arrays:
            if array is None:
                continue
            found = np.empty(array.size)
            for at in range(array.size):
                old, sums = array.flat[at], []
                for move in (2.0**-14, -(2.0**-14)):
                    array.flat[at] = old + move
                    sums.append(_loss(combination, W, b, net.X, net.Y))
                array.flat[at] = old
                found[at] = (sums[0] - sums[1]) * 2.0**13
            yield found


def _loss(
    combination: Combination, W: Sequence[Array], b: Sequence[Any], X: Array, Y: Array
) -> Any:
    hidden, output, loss = combination
    O = X
    for layer, (w, v) in enumerate(zip(W, b, strict=True)):
        Z = O @ w if v is None else O @ w + v
        O = _G[output if layer == len(W) - 1 else hidden](Z)
    return _LOSS[loss](O, Y)
