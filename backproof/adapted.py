"""A program behind an adapter, in the worker: make a net, set its weights, run it, read them."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from backproof.adapters import (
    Adapter,
    AdapterError,
    Net,
    given_arrays,
    gives_of,
    is_turned,
    names,
)
from backproof.case import Arrays
from backproof.drawing import Array
from backproof.gradients import flat
from backproof.layouts import (
    LayoutError,
    ours_of,
    theirs_of,
    turned,
    with_bias,
    without_bias,
)
from backproof.paths import PathError, found_at, numbers_at, parsed, stand
from backproof.protocol import Message
from backproof.replies import (
    Question,
    Reply,
    ResultError,
    arrays_in,
    exact_reply,
    failure_reply,
    real_array,
)
from backproof.returned import misfit, read
from backproof.scripts import Marked, only_read
from backproof.shown_numbers import INPUT, labels_of, shown
from backproof.stated import made_of

Both = tuple[list[Any], list[Any]]

_ANY_SIZE = "; name its `layout` if arrays of any size may stand there, or its `widths` if not"


class Adapted:
    """Answers questions through an adapter.

    adapter: with its module set   folder: the learner's   marked: the lines of a script, if any
    shown: the adapter's file, for messages
    """

    def __init__(self, adapter: Adapter, folder: Path, shown: str, marked: Marked | None) -> None:
        self.adapter, self.folder, self.shown, self.marked = adapter, folder, shown, marked
        self.gives = gives_of(adapter)
        self.inside = adapter.bias in ("first", "last")
        self._turn = is_turned(adapter)
        self._turn_d: bool | None = None
        self._form = ""
        self._learned = bool(adapter.layout)
        self._made_here = set[tuple[Any, int]]()
        # The weights are globals of a script, which its definitions alone do not make.
        self.unmade = adapter.script and type(adapter).make is Adapter.make

    # --- one question ---------------------------------------------------------------------------

    def answer(self, message: Message) -> Reply:
        """`result`, `skipped` or `errored`. X and Y that were changed are named."""
        question = message.fields
        arrays = arrays_in(question, {name: a.copy() for name, a in message.arrays.items()})
        try:
            with np.errstate():
                stated = made_of(self.adapter, arrays, question["loss"])
                X, Y = self.inputs(arrays)
                before = np.array(X), np.array(Y)
                net = self.net_of(question, arrays, X, Y)
                vector = self.flat_of(self.parameters(net, arrays, X, Y))
        except (AdapterError, PathError, LayoutError) as error:
            said = f"{self.shown}: {error}"
            return "errored", {"id": question["id"], "message": said, "traceback": "",
                               "refuses": []}, {}  # fmt: skip
        except BaseException as error:
            return failure_reply(error, self.folder, question)
        changed = [
            name
            for name, old, now in zip(("X", "Y"), before, (X, Y), strict=True)
            if old.shape != np.shape(now) or old.tobytes() != np.array(now).tobytes()
        ]
        fields = {"id": question["id"], "changed_inputs": changed}
        return "result", fields, {"gradient": vector, **stated}

    def exactly(self, message: Message) -> Reply:
        """`exact` or `inexact`: all arrays of the model are balls."""
        from backproof.exact_arithmetic import exact_answer
        from backproof.exact_state import in_balls

        question = message.fields

        def ask(asked: Any) -> Both:
            arrays = Arrays(tuple(asked.weights), tuple(asked.biases), asked.X, asked.Y)
            X, Y = self.inputs(arrays)
            net = self.net_of(question, arrays, X, Y)
            return self.parameters(net, arrays, X, Y, in_balls)

        found = exact_answer(
            arrays_in(question, message.arrays),
            ask,
            bits=question["bits"],
            widened=question["widened"],
        )
        return exact_reply(question, found)

    def net_of(self, question: Question, arrays: Arrays, X: Any, Y: Any) -> Net:
        """The question as the adapter sees it; kept where its methods and scripts find it."""
        adapter = self.adapter
        widths = (arrays.weights[0].shape[0], *(W.shape[1] for W in arrays.weights))
        W, b = given_arrays(adapter, list(arrays.weights), list(arrays.biases))
        alpha = question["alpha"]
        *g, loss = (adapter.spelled.get(each, each)
                    for each in (*question["activations"], question["loss"]))  # fmt: skip
        net = Net(widths, tuple(g), loss, alpha, question["slope"], len(arrays.X), W, b, X, Y)
        adapter.net = net
        if self.marked is not None:
            self.marked.given = dict(zip(adapter.data, (X, Y), strict=True))
        return net

    def inputs(self, arrays: Arrays) -> tuple[Any, Any]:
        """X and Y in the form that the adapter names. Raises NotImplementedError."""
        adapter = self.adapter
        X = shown(INPUT, arrays.X, adapter.batch, adapter.lists)
        return X, labels_of(arrays.Y, adapter.labels or adapter.batch, adapter.lists)

    def parameters(
        self, net: Net, arrays: Arrays, X: Any, Y: Any, prepared: Any = lambda model: model
    ) -> Both:
        """The gradient or the step, ours: W (k, j) and b (j,) per layer.

        prepared: what is done to a model before its weights are set
        """
        model = self.model_of(net, prepared)
        self.set(model, arrays)
        before = None
        if self.gives != "gradient" and self._has_weights():
            before = self.get(model, arrays)
            if not _same(before, arrays):
                raise AdapterError("the weights that were set are not those that are read back")
        returned = self._run(model, X, Y)
        if self.gives == "update":
            after = self.get(model, arrays)
        else:
            after = self._given(model, returned, net, arrays)
        if self.gives == "gradient":
            return after
        return _moved(before or (list(arrays.weights), list(arrays.biases)), after)

    @property
    def lives_on(self) -> bool:
        """Whether its model keeps its weights itself, so that one can be stepped several times."""
        return self.gives == "update" and self._has_weights()

    def steps(
        self, net: Net, arrays: Arrays, X: Any, Y: Any, count: int
    ) -> list[tuple[Both, Both]]:
        """W before each step of one model, and what it moved; nothing is set in between."""
        model = self.model_of(net)
        self.set(model, arrays)
        found, before = [], self.get(model, arrays)
        for _ in range(count):
            self._run(model, X, Y)
            after = self.get(model, arrays)
            found.append((before, _moved(before, after)))
            before = after
        return found

    def model_of(self, net: Net, prepared: Any = lambda model: model) -> Any:
        # Whoever shuffles a batch does it the same way each time; that is no state of theirs.
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 - it is theirs
        made = self.adapter.make(net)
        if self.marked is not None:
            self.marked.begin(made)
        model = prepared(made)
        if self.adapter.rate:
            for rate in names(self.adapter.rate):
                path = parsed(rate, 0)
                if self.marked is None:
                    found_at(model, path)  # a misspelt rate would be set, and nobody would read it
                stand(model, path, net.alpha)
        return model

    def _run(self, model: Any, X: Any, Y: Any) -> Any:
        if self.marked is not None and type(self.adapter).run is Adapter.run:
            return self.marked.run()
        return self.adapter.run(model, X, Y)

    def printed_by(self, model: Any, X: Any, Y: Any) -> Any:
        """The loss that a step leaves where `printed` says, in the model or in a loop's names."""
        self._run(model, X, Y)
        path = parsed(self.adapter.printed, 0)
        if self.marked is not None and path[0][1] in vars(self.adapter.module):
            model = self.adapter.module
        return found_at(model, path)

    # --- weights in and out ---------------------------------------------------------------------

    def _has_weights(self) -> bool:
        return bool(self.adapter.W) or type(self.adapter).take is not Adapter.take

    def set(self, model: Any, arrays: Arrays) -> None:
        """Put the weights of a question into the model, where the adapter says."""
        adapter = self.adapter
        if type(adapter).put is not Adapter.put:
            adapter.put(model, [W.copy() for W in arrays.weights],
                        [None if b is None else b.copy() for b in arrays.biases])  # fmt: skip
            return
        if not adapter.W:
            return
        Ws = [*arrays.weights]
        if self.inside:
            pairs = zip(arrays.weights, arrays.biases, strict=True)
            Ws = [with_bias(W, b, adapter.bias, adapter.bias_input) for W, b in pairs]
        if not self._learned:
            self._learn(model, Ws)
        net = adapter.net
        for layer, W in enumerate(Ws):
            self._place(model, adapter.W, layer, W, net.W[layer])
            b = arrays.biases[layer]
            if b is not None and not self.inside and adapter.b:
                value = b * adapter.bias_input
                self._place(model, adapter.b, layer, value, net.b[layer])

    def _place(self, model: Any, texts: Any, layer: int, array: Any, fresh: Any) -> None:
        path = _path(texts, layer)
        try:
            there = numbers_at(model, path)
        except PathError:
            # A script whose beginning was not run, or functions on globals that others make.
            if self.marked is None and not self.unmade and not only_read(model, path):
                raise
            there = fresh
            self._made_here.add((texts, layer))
        named = bool(self.adapter.layout) and array.ndim == 2
        if named or (texts, layer) in self._made_here:  # for another net, before
            there = fresh
        if there.ndim == 0 and array.size == 1:
            stand(model, path, array.reshape(()))
            return
        try:
            theirs = theirs_of(array, there.shape, self._turn)
        except LayoutError as error:
            if self.marked is None and not self.adapter.layout:
                raise AdapterError(f"`{_text(texts, layer)}` has {error}{_ANY_SIZE}") from None
            # What stands there is a former net, or of a size that is only its first.
            theirs = theirs_of(array, fresh.shape, self._turn)
        stand(model, path, theirs)

    def _learn(self, model: Any, Ws: list[Any]) -> None:
        """Which way round square matrices are: like those of this program that are not square."""
        for layer, W in enumerate(Ws):
            try:
                found = turned(numbers_at(model, _path(self.adapter.W, layer)).shape, W.shape)
            except (PathError, LayoutError):
                continue
            if found is not None:
                self._turn, self._learned = found, True
                return

    def get(self, model: Any, arrays: Arrays) -> Both:
        """The weights as they are, in our shapes. Raises AdapterError, ResultError."""
        adapter = self.adapter
        if type(adapter).take is not Adapter.take:
            Ws, bs = adapter.take(model)
            return self._ours(list(Ws), list(bs), arrays, self._turn)
        layers = range(len(arrays.weights))
        Ws = [numbers_at(model, _path(adapter.W, layer)) for layer in layers]
        bs = (
            [numbers_at(model, _path(adapter.b, layer)) for layer in layers]
            if adapter.b and adapter.bias == "separate"
            else []
        )
        return self._ours(Ws, bs, arrays, self._turn)

    def _given(self, model: Any, returned: Any, net: Net, arrays: Arrays) -> Both:
        """A gradient, or new weights: what `run` returned, or what stands where dW and db say."""
        adapter = self.adapter
        if not adapter.dW:
            return self._of_returned(returned, net, arrays)
        layers = range(len(arrays.weights))
        Ws = [numbers_at(model, _path(adapter.dW, layer)) for layer in layers]
        bs = [numbers_at(model, _path(adapter.db, layer)) for layer in layers] if adapter.db else []
        return self._ours(Ws, bs, arrays, None)

    def _of_returned(self, returned: Any, net: Net, arrays: Arrays) -> Both:
        W, b = self._shapes(arrays)
        theirs = [np.shape(array) for array in net.params.values()]
        found = read(returned, W, b, theirs, self._form)
        self._form = self._form or found.form
        return self._ours(list(found.W), list(found.b), arrays, None)

    def _shapes(self, arrays: Arrays) -> tuple[list[Any], list[Any]]:
        """Our shapes of what the program has."""
        extra = 1 if self.inside else 0
        W = [(k + extra, j) for k, j in (W.shape for W in arrays.weights)]
        biased = self.adapter.bias == "separate" and arrays.biases[0] is not None
        return W, [shape[1:] for shape in W] if biased else []

    def _ours(self, Ws: list[Any], bs: list[Any], arrays: Arrays, turn: bool | None) -> Both:
        """Theirs in our shapes. turn: which way round square ones are; None: as it was seen."""
        W, b = self._shapes(arrays)
        trouble = misfit(Ws, bs if bs else [], W, b if bs else [])
        if trouble:
            raise ResultError(trouble)
        if turn is None:
            seen = [turned(np.shape(a), s) for a, s in zip(Ws, W, strict=True)]
            certain = [each for each in seen if each is not None]
            if self._turn_d is None and certain:
                self._turn_d = certain[0]
            turn = self._turn if self._turn_d is None else self._turn_d
        found = [ours_of(_array(a), s, turn) for a, s in zip(Ws, W, strict=True)]
        sign = self.adapter.bias_input
        if self.inside:
            both = [without_bias(M, self.adapter.bias, sign) for M in found]
            return [W for W, _ in both], [b for _, b in both]
        if not b:
            return found, [None] * len(found)
        if not bs:  # it has biases, but no gradient of them, nor new ones: nothing moves
            keep = float(self.gives == "weights")
            return found, [None if v is None else v * keep for v in arrays.biases]
        return found, [np.reshape(_array(a), s) * sign for a, s in zip(bs, b, strict=True)]

    def flat_of(self, both: Both) -> Array:
        Ws = [real_array(f"dW{l}", W, W.shape) for l, W in enumerate(both[0], 1)]
        bs = [
            None if b is None else real_array(f"db{l}", b, b.shape)
            for l, b in enumerate(both[1], 1)
        ]
        return flat(Ws, bs)


def _moved(before: Both, after: Both) -> Both:
    return (
        [new - W for new, W in zip(after[0], before[0], strict=True)],
        [None if b is None else new - b for new, b in zip(after[1], before[1], strict=True)],
    )


def _path(texts: Any, layer: int) -> Any:
    return parsed(_text(texts, layer), layer)


def _text(texts: Any, layer: int) -> str:
    if isinstance(texts, str):
        return texts
    if layer >= len(texts):
        raise AdapterError(f"{len(texts)} paths are given, but there are more layers")
    return texts[layer]


def _array(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else np.array(value)


def _same(found: Both, arrays: Arrays) -> bool:
    """Whether what is read back is what was set; in balls it is not asked."""
    for mine, theirs in zip((arrays.weights, arrays.biases), found, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            if a is None or b is None or a.dtype == object:
                continue
            if not np.array_equal(a, np.asarray(b, dtype=a.dtype)):
                return False
    return True
