"""Is the adapter broken? Asked before anything is judged, so that no program is blamed for it.

Each problem is one sentence with what to do. What only a wrong program would show, such as a bias
that never moves, is no problem of an adapter.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.adapted import Adapted
from backproof.adapters import AdapterError, depths_of
from backproof.blaming import Step, whose_fault
from backproof.case import Arrays
from backproof.layouts import LayoutError
from backproof.paths import PathError
from backproof.probe_nets import probe_of, probe_question
from backproof.replies import ResultError
from backproof.stated import loss_of, problems_in, states_loss
from backproof.telling import told

_Answer = list[Any]
Fault = Callable[[Adapted, BaseException, Step], str]


def problems_of(adapted: Adapted, fault: Fault = whose_fault) -> list[str]:
    """What is wrong with the adapter; empty where the program can be judged.

    fault: what is said of a step that raises
    """
    depths = sorted({min(depths_of(adapted.adapter)), min(3, max(depths_of(adapted.adapter)))})
    for depth in depths:
        found = _of_depth(adapted, depth, fault)
        if found:
            return [each if each.endswith(".") else each + "." for each in found]
    return []


def _of_depth(adapted: Adapted, depth: int, fault: Fault) -> list[str]:
    _, arrays, *_ = probe_of(adapted, depth)
    try:
        said = problems_in(adapted.adapter, arrays)
        if said:
            return said
        once = _answer(adapted, depth, arrays)
        twice = _answer(adapted, depth, arrays)
    except (AdapterError, PathError, LayoutError) as error:
        return [str(error)]
    except ResultError as error:
        return [f"what comes back does not fit: {error} Change what `run` returns, or dW and db"]
    except BaseException as error:
        return [
            fault(adapted, error, lambda other: _answer(other, depth, probe_of(other, depth)[1]))
        ]
    if not _but_for_rounding(once, twice):
        return [
            "two new nets with the same weights answer differently; seed what is random in `make`, "
            "and make the model anew there"
        ]
    if not any(np.any(array) for array in once):
        return [_nothing(adapted.gives)]
    return _unheard(adapted, depth, arrays, once) or _loss_unheard(adapted, depth, arrays)


def _nothing(gives: str) -> str:
    if gives == "gradient":
        return "every gradient is zero; `run` must do the backward pass, and dW name its results"
    return (
        "no weight moves in a step; `run` must do the update, and `W` name the arrays that it "
        "changes (a program that loses its update itself is wrong, then say gives = 'gradient')"
    )


def _unheard(adapted: Adapted, depth: int, arrays: Arrays, once: _Answer) -> list[str]:
    """Which parts of the question do not reach the program."""
    adapter, found = adapted.adapter, list[str]()
    changes: dict[str, Callable[[], _Answer]] = {
        "X": lambda: _answer(adapted, depth, replace(arrays, X=arrays.X / 2)),
        "the weights": lambda: _answer(
            adapted, depth, replace(arrays, weights=tuple(W / 2 for W in arrays.weights))
        ),
        "Y": lambda: _answer(adapted, depth, replace(arrays, Y=arrays.Y[:, ::-1].copy()
                                                     if arrays.Y.shape[1] > 1 else arrays.Y / 2)),
    }  # fmt: skip
    if adapted.gives != "gradient" and adapter.alpha is None:
        changes["the learning rate"] = lambda: _answer(adapted, depth, arrays, times=0.5)
    for what, asked in changes.items():
        try:
            same = _equal(asked(), once)
        except BaseException:
            continue  # it answered before; what it does with these numbers is to be judged
        if same:
            hint = (
                "name it as `rate`, pass self.net.alpha, or write `alpha` = the number in the "
                "program"
                if what == "the learning rate"
                else "see what `run` passes on"
            )
            found.append(f"the answer does not change with {what}; {hint}")
    return found


def _loss_unheard(adapted: Adapted, depth: int, arrays: Arrays) -> list[str]:
    """What is wrong with the loss that is stated, if one is."""
    if not states_loss(adapted.adapter):
        return []
    values = []
    shown = "`printed`" if adapted.adapter.printed else "`stated_loss`"
    for halves in (1, 2):
        weights = tuple(W / halves for W in arrays.weights)
        try:
            asked = replace(arrays, weights=weights)
            values.append(loss_at(adapted, _question(adapted, depth), asked))
        except AdapterError as error:
            return [str(error)]
        except BaseException as error:
            return [f"{shown} raises {told(error, adapted.folder)}; run the forward pass first"]
    if values[0] == values[1]:
        does = "names" if adapted.adapter.printed else "returns"
        return [f"what {shown} {does} does not change with the weights"]
    return []


def loss_at(adapted: Adapted, question: dict[str, Any], arrays: Arrays) -> float:
    """The loss that is stated, at the weights of a question."""
    X, Y = adapted.inputs(arrays)
    model = adapted.model_of(adapted.net_of(question, arrays, X, Y))
    adapted.set(model, arrays)
    if adapted.adapter.printed:
        return loss_of(adapted.printed_by(model, X, Y), "`printed` names")
    return loss_of(adapted.adapter.stated_loss(model, X, Y), "`stated_loss` returned")


def _answer(adapted: Adapted, depth: int, arrays: Arrays, times: float = 1.0) -> _Answer:
    X, Y = adapted.inputs(arrays)
    net = adapted.net_of(_question(adapted, depth, times), arrays, X, Y)
    with np.errstate():
        W, b = adapted.parameters(net, arrays, X, Y)
    return [*W, *(array for array in b if array is not None)]


def _question(adapted: Adapted, depth: int, times: float = 1.0) -> dict[str, Any]:
    question = probe_question(adapted.adapter, depth)
    return question | {"alpha": question["alpha"] * times}


def _equal(a: _Answer, b: _Answer) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def _but_for_rounding(a: _Answer, b: _Answer) -> bool:
    """Equal, or as far apart as another order of a sum leads: a graph kept in sets has one each."""
    return all(
        np.allclose(np.float64(x), np.float64(y), rtol=_ORDER, atol=_ORDER * _largest(x),
                    equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip


# Far above the rounding of the few sums of such a net, in float32 too, and far below what another
# draw of weights, or a state that is kept, makes of the answer.
_ORDER = 1e-4


def _largest(array: Any) -> float:
    return float(np.max(np.abs(np.float64(array)), initial=0.0))
