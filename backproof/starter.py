"""What `backproof init` writes: the article's exercise, with its picture and its contract.

Three places are left to fill in. The solution stands at the end, folded away in editors that know
`# region`; a test fills it in and checks it.
"""

from pathlib import Path

from backproof.errors import BackproofError
from backproof.target import Target

TODO = 'raise NotImplementedError("{}")'

# What is left out in the exercise: (indent, what to do, the solution).
GAPS = (
    (
        8,
        "step 1: Z and O of this layer, and keep both",
        ("Zs.append(Os[-1] @ W + b)", "Os.append(g(Zs[-1], name))"),
    ),
    (
        4,
        "step 2: dLoss/dZ of the last layer",
        ("delta = (Os[-1] - Y) * g_prime(Zs[-1], activations[-1])",),
    ),
    (
        8,
        "step 3: dW and db of this layer, then delta of the layer below",
        (
            "dW.insert(0, Os[layer].T @ delta)",
            "db.insert(0, delta.sum(axis=0))",
            "if layer > 0:",
            "    error = delta @ weights[layer].T",
            "    delta = error * g_prime(Zs[layer - 1], activations[layer - 1])",
        ),
    ),
)

_BEFORE = '''"""My own backpropagation. `backproof check {name}` says whether it is right.

n instances at once, one per row. The article's network, 5-2-4-3-3-1, looks like this:

           W_1          W_2          W_3          W_4          W_5
          (5, 2)       (2, 4)       (4, 3)       (3, 3)       (3, 1)
    X ---------> O_1 -------> O_2 -------> O_3 -------> O_4 -------> O_5
  (n, 5)       (n, 2)       (n, 4)       (n, 3)       (n, 3)       (n, 1)

    forward:    Z_l = O_(l-1) @ W_l + b_l           O_l = g(Z_l)
    backward:   delta_L = (O_L - Y) * g'(Z_L)       delta_l = (delta_(l+1) @ W_(l+1).T) * g'(Z_l)
    gradients:  dW_l = O_(l-1).T @ delta_l          db_l = delta_l, summed over its rows

(k, n) @ (n, j) is (k, j): the n instances are summed away, and dW_l has the shape of W_l.
Nothing in here may change `weights`: they are updated only after the whole backward pass.
"""

import numpy as np


def g(Z, name):
    """The activation. What it does not know, it does not claim."""
    if name == "identity":
        return Z
    if name == "sigmoid":
        return 1 / (1 + np.exp(-Z))
    raise NotImplementedError(name)


def g_prime(Z, name):
    """Its derivative at Z, not at O."""
    if name == "identity":
        return np.ones_like(Z)
    if name == "sigmoid":
        return g(Z, name) * (1 - g(Z, name))
    raise NotImplementedError(name)


def backprop(weights, biases, X, Y, activations, loss):
    """dLoss/dW and dLoss/db of every layer, for Loss = 1/2 * sum((O_L - Y)**2).

    weights[l]: (k, j)   biases[l]: (j,)   X: (n, k_0)   Y: (n, k_L)   lists start at 0, so
    weights[0] is the article's W_1   activations: one name per layer   loss: a name
    """
    if loss != "half_squared_error" or biases[0] is None:
        raise NotImplementedError(loss if biases[0] is not None else "bias")
    Zs, Os = [], [X]
    for W, b, name in zip(weights, biases, activations):
'''

_BETWEEN = (
    "\n",
    """
    dW, db = [], []
    for layer in reversed(range(len(weights))):
""",
    """    return dW, db


# region The solution. Try first: `backproof check {name}` names what is left to do.
""",
)
_AFTER = "# endregion\n"


def exercise(name: str) -> str:
    """The file with its three gaps, and the solution at its end."""
    gaps = [" " * indent + TODO.format(what) for indent, what, _ in GAPS]
    told = [f"# {what}\n#     " + "\n#     ".join(lines) for _, what, lines in GAPS]
    return _filled(gaps, name) + "\n".join(told) + "\n" + _AFTER


def solved(name: str) -> str:
    """The same file with the solution in place."""
    filled = ["\n".join(" " * indent + line for line in lines) for indent, _, lines in GAPS]
    return _filled(filled, name) + _AFTER


def _filled(gaps: list[str], name: str) -> str:
    text = _BEFORE.replace("{name}", name)
    for gap, after in zip(gaps, _BETWEEN, strict=True):
        text += gap + "\n" + after.replace("{name}", name)
    return text


def write_exercise(path: Path) -> None:
    """Write the exercise. Raises BackproofError where there is a file already, or no way to."""
    _write_new(path, exercise(path.name))


def write_adapter(spec: str) -> Path | None:
    """Write the adapter that is inferred for a program beside it; None where it needs none.

    Raises TargetError where nothing that works is found.
    """
    with Target(spec) as target:
        text = target.proposed
    if not text:
        return None
    path = Path(spec).with_name(f"{Path(spec).stem}_adapter.py")
    _write_new(path, text)
    return path


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BackproofError(f"{path} is there already; name another file.") from None
    except OSError as error:
        raise BackproofError(f"{path} cannot be written: {error.strerror}.") from None
