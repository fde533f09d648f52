"""What to write, in at most ten lines, where a program is no function on the contract.

An adapter says where a program keeps its weights, how one forward and backward pass is run, and
what cannot be asked of the program: its activations, its loss, how it takes a batch. It lies
beside the program, `my_net_adapter.py` beside `my_net.py`:

    from backproof.adapters import Adapter

    class MyNet(Adapter):
        hidden, output, loss = "sigmoid", "sigmoid", "half_squared_error"
        W, b, rate = "W{l}", "b{l}", "lr"

        def make(self, net):
            return self.module.MyNet(*net.widths)

        def run(self, model, X, Y):
            model.train(X, Y)

Of layer objects `make` returns a list, and `forward(model, X)` and `backward(model, d, rate)` of
this module (`backproof.chained`) go through them.

In words: make a net, set its weights, run one step, read its weights. Nothing in it may repair what
the program does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from backproof.chained import backward, forward
from backproof.claims import HIDDEN
from backproof.layouts import with_bias

__all__ = ["Adapter", "AdapterError", "Net", "backward", "forward"]

BATCHES = ("rows", "columns", "single", "single row", "single column")
LABELS = (*BATCHES, "flat", "classes")
BIASES = ("separate", "first", "last", "none")
GIVES = ("update", "gradient", "weights")
LAYOUTS = ("in, out", "out, in")
BIAS_SHAPES = ("flat", "row", "column")


class AdapterError(Exception):
    """The adapter, not the program, is what must be changed: one sentence."""


@dataclass
class Net:
    """The network of one question, in the layout that the adapter asks for.

    widths: (k_0, ..., k_L)   activations: one name per layer   loss: a name of the closed list;
        both as the program spells them, where the adapter says so
    alpha: the learning rate   slope: of leaky_relu   n: rows of the batch
    W[l]: (k, j), or (j, k) for `layout = "out, in"`; with `bias` "first" or "last" with its bias
    b[l]: (j,), (1, j) or (j, 1), see `bias_shape`; None without a bias of its own
    X, Y: the data of the question, for a class that is given them when it is made
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    alpha: float
    slope: float
    n: int
    W: list[Any] = field(default_factory=list)
    b: list[Any] = field(default_factory=list)
    X: Any = None
    Y: Any = None

    @property
    def depth(self) -> int:
        """L, the number of weight matrices."""
        return len(self.activations)

    @property
    def hidden(self) -> str:
        """The activation of all hidden layers; "" where there are none.

        Raises AdapterError where they differ: then nobody can mean one of them.
        """
        if len(set(self.activations[:-1])) > 1:
            told = ", ".join(self.activations[:-1])
            raise AdapterError(
                f"`net.hidden` is one activation, and this net has {told}; write `mixed = False` "
                "if the program has one for all hidden layers, or use `net.activations`"
            )
        return self.activations[0] if self.depth > 1 else ""

    @property
    def output(self) -> str:
        return self.activations[-1]

    @property
    def params(self) -> dict[str, Any]:
        """{"W1": ..., "b1": ..., "W2": ...}, without the biases that there are not."""
        named: dict[str, Any] = {}
        for layer, (W, b) in enumerate(zip(self.W, self.b, strict=True), 1):
            named |= {f"W{layer}": W} if b is None else {f"W{layer}": W, f"b{layer}": b}
        return named

    @property
    def flat(self) -> Any:
        """All of `params` in one vector, each array row by row."""
        return np.concatenate([np.reshape(array, -1) for array in self.params.values()])


class Adapter:
    """The base class: attributes for what is only to be named, methods for what is to be done.

    Which networks
        hidden, output, loss: names of the closed lists, one or a tuple of them
        mixed: False where all hidden layers of a network have one activation
        depths: numbers of weight matrices, one or a tuple; 2 is one hidden layer
        widths: the one architecture, input first, where it cannot be chosen
        outputs: the one number of outputs   slope: of its leaky_relu
        spelled: {"leaky_relu": "LeakyReLU"}: its own names for activations and losses, which
            `net.activations`, `net.hidden`, `net.output` and `net.loss` then have
    How the numbers go in
        batch: "rows" for X of shape (n, k_0), "columns" (k_0, n); one instance a call as "single"
            (k_0,), "single row" (1, k_0) or "single column" (k_0, 1)
        labels: the same for Y, as `batch` where it is ""; also "flat" (n,) of a single output, or
            "classes", whole numbers (n,), each the place of a row's largest number
        lists: X and Y as lists of numbers
        layout: "in, out" for W of (k, j), "out, in" for (j, k), wherever the shapes that are found
            do not say; once it is named, an array of any size may stand there
        bias_shape: "flat" (j,), "row" (1, j), "column" (j, 1), likewise
        bias: "separate"; "first" or "last", a row or column of W; "none"
        bias_input: what the bias is multiplied by, 1 or -1
    Where the numbers are: paths (`backproof.paths`), one for all layers or a tuple, one per layer
        W, b: of the weights; without W the model is given nothing: it is the `Net` itself
        dW, db: where gradients, or new weights, are stored   rate: where the learning rate is set
    What the program does to X or Y before it computes: `inputs` and `targets`, methods
    The loss that the program prints: `stated_loss`, a method, if it has a function for it
        printed: or the path where it stands after a step, such as "loss", a name in its loop
    What comes out
        gives: "update": ΔW is W after - W before; "gradient": `run` returns it, or dW says where it
            is; "weights": `run` returns the new weights, or dW says where they are. Where it is
            "", dW means "gradient"
        alpha: a learning rate that is written into the program; None if it can be set
    Of scripts (`backproof.scripts`)
        script: run its definitions only when it is loaded
        loop, lines: what is run then, by line or by a text that stands in one line alone; of a loop
            in a function or in a method, what stands above it there is run first, and the weights
            are set then; a method's loop runs on what `make` returns
        data: the names by which the script calls X and Y
        without: packages that are replaced by ones that do nothing, such as "matplotlib"
    """

    hidden: str | tuple[str, ...] = ()
    mixed: bool = True
    output: str | tuple[str, ...] = ()
    loss: str | tuple[str, ...] = ()
    depths: int | tuple[int, ...] = 2
    widths: tuple[int, ...] | None = None
    outputs: int | None = None
    slope: float = 1 / 64
    spelled: Mapping[str, Any] = MappingProxyType({})

    batch: str = "rows"
    labels: str = ""
    lists: bool = False
    layout: str = ""
    bias_shape: str = ""
    bias: str = "separate"
    bias_input: float = 1

    W: str | tuple[str, ...] = ""
    b: str | tuple[str, ...] = ""
    dW: str | tuple[str, ...] = ""
    db: str | tuple[str, ...] = ""
    rate: str = ""

    printed: str = ""

    gives: str = ""
    alpha: float | None = None

    script: bool = False
    loop: int | str = 0
    lines: tuple[int | str, int | str] | None = None
    data: tuple[str, str] = ("X", "Y")
    without: tuple[str, ...] = ()

    # Set before a method is called: the learner's module, and the question.
    module: ModuleType
    net: Net

    def make(self, net: Net) -> Any:
        """A new network of this form; its weights may be anything, `put` comes next.

        Without it the model is the module itself or, where there is no `W`, the net.
        """
        return self.module if self.W or self.loop or self.lines else net

    def put(self, model: Any, weights: list[Any], biases: list[Any]) -> None:
        """Set the weights, (k, j), and biases, (j,) or None. Only where no path can say it."""
        raise NotImplementedError

    def take(self, model: Any) -> tuple[list[Any], list[Any]]:
        """The weights and biases as they are now, in any layout. Only where no path can say it."""
        raise NotImplementedError

    def inputs(self, X: Any) -> Any:
        """What the program itself makes of X, before its first layer: (n, k_0) -> (n, k_0).

        Only where it standardises X, divides it by 255 or the like inside. The program is given X
        as ever, and its answer is judged at `inputs(X)`: state what its forward pass does, and a
        backward pass that does something else is wrong.
        """
        raise NotImplementedError

    def targets(self, Y: Any) -> Any:
        """Likewise of Y, (n, k_L) -> (n, k_L): smoothed labels, or ones that are scaled."""
        raise NotImplementedError

    def stated_loss(self, model: Any, X: Any, Y: Any) -> Any:
        """The loss that the program says it descends, one number, at the weights as they are.

        Only where it has a function for it. `loss` names the one whose gradient it has; `check`
        then says whether what is stated is a positive multiple of that one, up to a constant.
        """
        raise NotImplementedError

    def run(self, model: Any, X: Any, Y: Any) -> Any:
        """One forward and one backward pass, and the update where that is what is `given`.

        Of a gradient, or of new weights, it may return a dict ({"dW1": ...} or {"W1": ...}), the
        lists (dW, db), one pair per layer, all arrays one after the other, or one flat vector.
        """
        raise NotImplementedError


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def depths_of(adapter: Adapter) -> tuple[int, ...]:
    if adapter.widths is not None:
        return (len(adapter.widths) - 1,)
    return (adapter.depths,) if isinstance(adapter.depths, int) else tuple(adapter.depths)


def gives_of(adapter: Adapter) -> str:
    return adapter.gives or ("gradient" if adapter.dW else "update")


def has_columns(adapter: Adapter) -> bool:
    """Whether it takes instances as columns."""
    return adapter.batch in ("columns", "single column")


def is_turned(adapter: Adapter) -> bool:
    """Whether its W is (j, k), as its `layout` says, or else as goes with its `batch`."""
    return (adapter.layout or LAYOUTS[has_columns(adapter)]) == "out, in"


def given_arrays(adapter: Adapter, W: list[Any], b: list[Any]) -> tuple[list[Any], list[Any]]:
    """Ours, W (k, j) and b (j,), as `Net` has them: copies, which a program may change in place."""
    W, b = [M.copy() for M in W], [None if v is None else v.copy() for v in b]
    turn = is_turned(adapter)
    if adapter.bias in ("first", "last"):
        inside = [
            with_bias(*pair, adapter.bias, adapter.bias_input) for pair in zip(W, b, strict=True)
        ]
        return [M.T.copy() if turn else M for M in inside], [None] * len(W)
    form = adapter.bias_shape or ("column" if has_columns(adapter) else "flat")
    shape = {"flat": (-1,), "row": (1, -1), "column": (-1, 1)}[form]
    biases = [None if v is None else np.reshape(v * adapter.bias_input, shape) for v in b]
    return [M.T.copy() if turn else M for M in W], biases


def misspelt(adapter: Adapter) -> list[str]:
    """What is written wrong in it, one sentence each."""
    from backproof import names as lists

    found = []
    closed = {"hidden": HIDDEN, "output": lists.ACTIVATIONS, "loss": lists.LOSSES}
    for field_name, allowed in closed.items():
        found += [
            f"`{field_name}` has {name!r}; use some of {', '.join(allowed)}"
            for name in names(getattr(adapter, field_name))
            if name not in allowed
        ]
    for field_name in ("output", "loss"):
        if not names(getattr(adapter, field_name)):
            found.append(f"`{field_name}` is missing; name what the program has")
    if max(depths_of(adapter), default=0) > 1 and not names(adapter.hidden):
        found.append("`hidden` is missing; name the activation below the output")
    found += [
        f"`spelled` has {name!r}, which is no name of ours; say {{ours: theirs}}"
        for name in adapter.spelled
        if name not in (*lists.ACTIVATIONS, *lists.LOSSES)
    ]
    choices = {
        "batch": BATCHES,
        "labels": ("", *LABELS),
        "bias": BIASES,
        "gives": ("", *GIVES),
        "layout": ("", *LAYOUTS),
        "bias_shape": ("", *BIAS_SHAPES),
    }
    for field_name, allowed in choices.items():
        if getattr(adapter, field_name) not in allowed:
            shown = ", ".join(repr(word) for word in allowed if word)
            found.append(f"`{field_name}` is {getattr(adapter, field_name)!r}; use one of {shown}")
    if adapter.bias_input not in (1, -1):
        found.append(f"`bias_input` is {adapter.bias_input!r}; use 1 or -1")
    if adapter.widths is not None and max(adapter.widths) > lists.MAX_WIDTH:
        found.append(
            f"`widths` has {max(adapter.widths)}; make smaller layers in `make`, of at most "
            f"{lists.MAX_WIDTH} units"
        )
    limits = (1, lists.MAX_DEPTH)
    if not all(limits[0] <= depth <= limits[1] for depth in depths_of(adapter)):
        found.append(f"`depths` is {adapter.depths!r}; use numbers from 1 to {limits[1]}")
    return found


def layers_of(widths: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise(widths))
