"""Mistakes that people make, planted one at a time into `examples/my_net.py`.

Each row is a textual change and says where it must be seen. The checks that judge somebody's
program are tried on these; a check that lets one of them pass is broken.
"""

from dataclasses import dataclass
from pathlib import Path

from backproof.case import Case

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "my_net.py"

# Every width and the number of rows differ, and nothing is symmetric, so no mistake can hide.
_DEEP = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), n=6, seed=1)
_MEAN = Case((4, 3, 5, 2), ("tanh", "sigmoid", "identity"), reduction="mean", n=6, seed=2)
_SQUARE = Case((3, 3, 3, 3), ("tanh", "sigmoid", "tanh"), n=6, seed=3)
_LEAKY = Case((4, 3, 5, 2), ("tanh", "leaky_relu", "identity"), n=6, seed=4)
_RELU = Case((4, 3, 5, 2), ("tanh", "relu", "identity"), n=6, seed=5)
_SILU = Case((4, 3, 5, 2), ("tanh", "silu", "identity"), n=6, seed=6)
_MSE = Case((4, 3, 2), ("tanh", "tanh"), "mean_squared_error", n=5, seed=7)
_SOFTMAX = Case((4, 3, 5), ("tanh", "softmax"), n=2, seed=8)
_CLASSES = Case((4, 3, 5), ("tanh", "softmax"), "cross_entropy", n=2, seed=9)
# Whole numbers, so that some units stand on z = 0 exactly, in one layer or in two.
_KINK = Case((3, 4, 2), ("relu", "identity"), regime="integers", n=5, seed=1)
_KINKS = Case((3, 4, 4, 2), ("relu", "relu", "identity"), regime="integers", n=5, seed=13)
_LEAKY_KINK = Case(
    (3, 4, 2), ("leaky_relu", "identity"), regime="integers", n=5, slope=1 / 4, seed=1
)
_BINARY = Case((4, 3, 2), ("tanh", "sigmoid"), "binary_cross_entropy", n=5, seed=10)

_1 = ("dW_1", "db_1")
_12 = (*_1, "dW_2", "db_2")
_123 = (*_12, "dW_3", "db_3")
_dW = ("dW_1", "dW_2", "dW_3")
_db = ("db_1", "db_2", "db_3")


@dataclass(frozen=True)
class PlantedBug:
    """A mistake and where it shows.

    what: is wrong, in words   changes: (text in the example, text instead), each found once
    case: shows it   wrong: the arrays that are wrong there, of "dW_1", "db_1", ...
    verdict: "wrong", or "error" where the function gives no answer that could be compared
    message: a part of what is said then   call: how often the case is asked until it shows
    """

    name: str
    what: str
    changes: tuple[tuple[str, str], ...]
    case: Case
    wrong: tuple[str, ...]
    verdict: str = "wrong"
    message: str = ""
    call: int = 1


_PRODUCT = "Os[layer].T @ delta"
_ROWS_SUMMED = "delta.sum(axis=0)"
_ERROR = "error = delta @ weights[layer].T"
_END = "    return dW, db"

PLANTED = (
    PlantedBug(
        "transposed",
        "the factors of dW stand in the other order, which gives its transpose",
        ((_PRODUCT, "delta.T @ Os[layer]"),),
        _DEEP,
        (),
        "error",
        "dW[0] has shape (3, 4), expected (4, 3)",
    ),
    PlantedBug(
        "derivative_at_activation",
        "sigmoid' is computed of O = sigmoid(Z) instead of Z: the sigmoid is applied twice",
        (("O * (1 - O),", "sigmoid(O) * (1 - sigmoid(O)),"),),
        _DEEP,
        _12,
    ),
    PlantedBug(
        "no_hidden_derivative",
        "the error is propagated without g' of the hidden layers",
        (("delta = error * g_prime", "delta = error  # * g_prime"),),
        _DEEP,
        _12,
    ),
    PlantedBug(
        "raw_error",
        "the output's error O - Y is handed down instead of delta, through all layers",
        (
            (
                _ERROR,
                "error = (error if layer < len(weights) - 1 else Os[-1] - Y) @ weights[layer].T",
            ),
        ),
        _DEEP,
        _12,
    ),
    PlantedBug(
        "other_weights",
        "delta goes through the weights of the layer below its own",
        ((_ERROR, "error = delta @ weights[layer - 1].T"),),
        _SQUARE,
        _12,
    ),
    PlantedBug(
        "through_gradient",
        "delta goes through dW instead of W",
        ((_ERROR, "error = delta @ dW[0].T"),),
        _DEEP,
        _12,
    ),
    PlantedBug(
        "through_updated_weights",
        "delta goes through weights that were updated already",
        ((_ERROR, "error = delta @ (weights[layer] - 0.5 * dW[0]).T"),),
        _DEEP,
        _12,
    ),
    PlantedBug(
        "db_mean",
        "db is the mean over the rows where dW is their sum",
        ((_ROWS_SUMMED, "delta.mean(axis=0)"),),
        _DEEP,
        _db,
    ),
    PlantedBug("db_first_row", "db is the first row's", ((_ROWS_SUMMED, "delta[0]"),), _DEEP, _db),
    PlantedBug(
        "db_total",
        "db sums over the neurons as well, and each gets the total",
        ((_ROWS_SUMMED, "np.full_like(delta[0], delta.sum())"),),
        _DEEP,
        _db,
    ),
    PlantedBug(
        "db_zero",
        "the biases are never updated",
        ((_ROWS_SUMMED, "np.zeros_like(delta[0])"),),
        _DEEP,
        _db,
    ),
    PlantedBug(
        "dW_1_zero",
        "the first layer is never updated",
        ((_PRODUCT, "Os[layer].T @ delta * (layer > 0)"),),
        _DEEP,
        ("dW_1",),
    ),
    PlantedBug(
        "mean_twice",
        "divided by n twice",
        (("delta = delta / len(X)", "delta = delta / len(X) ** 2"),),
        _MEAN,
        _123,
    ),
    PlantedBug(
        "dW_alone_is_mean",
        "dW is divided by n, db is not",
        ((_PRODUCT, "Os[layer].T @ delta / len(X)"),),
        _DEEP,
        _dW,
    ),
    PlantedBug(
        "leaky_slope_lost",
        "leaky_relu' is 0 below zero, as if it were relu",
        (("np.where(Z > 0, 1.0, slope)", "np.where(Z > 0, 1.0, 0.0)"),),
        _LEAKY,
        _12,
    ),
    PlantedBug(
        "relu_sign",
        "relu' is 1 where Z is negative",
        (("np.where(Z > 0, 1.0, 0.0)", "np.where(Z < 0, 1.0, 0.0)"),),
        _RELU,
        _12,
    ),
    PlantedBug(
        "relu_kink_minus_1",
        "relu' at z = 0 is -1: no subgradient, those are 0 to 1",
        (("np.where(Z > 0, 1.0, 0.0)", "np.where(Z == 0, -1.0, np.where(Z > 0, 1.0, 0.0))"),),
        _KINK,
        _1,
    ),
    PlantedBug(
        "relu_kink_2",
        "relu' at z = 0 is 2, in two layers",
        (("np.where(Z > 0, 1.0, 0.0)", "np.where(Z == 0, 2.0, np.where(Z > 0, 1.0, 0.0))"),),
        _KINKS,
        _12,
    ),
    PlantedBug(
        "leaky_relu_kink_minus_1",
        "leaky_relu' at z = 0 is -1: no subgradient, those are its slope to 1",
        (("np.where(Z > 0, 1.0, slope)", "np.where(Z == 0, -1.0, np.where(Z > 0, 1.0, slope))"),),
        _LEAKY_KINK,
        _1,
    ),
    PlantedBug(
        "tanh_derivative",
        "tanh' is 1 - O instead of 1 - O²",
        (("1 - O**2", "1 - O"),),
        _DEEP,
        _123,
    ),
    PlantedBug(
        "silu_derivative",
        "silu' lacks its first term",
        (("sigmoid(Z) * (1 + Z * (1 - sigmoid(Z)))", "sigmoid(Z) * Z * (1 - sigmoid(Z))"),),
        _SILU,
        _12,
    ),
    PlantedBug(
        "squared_error_factor",
        "the derivative of the mean of squares lacks its 2",
        (("2 * (O - Y) / k", "(O - Y) / k"),),
        _MSE,
        _12,
    ),
    PlantedBug(
        "ascent",
        "labels minus output: the weights go uphill",
        (('"half_squared_error": O - Y', '"half_squared_error": Y - O'),),
        _DEEP,
        _123,
    ),
    PlantedBug(
        "softmax_diagonal",
        "of softmax' only the diagonal is used",
        (
            (
                "return O * (dLoss_dO - (dLoss_dO * O).sum(axis=1, keepdims=True))",
                "return dLoss_dO * O * (1 - O)",
            ),
        ),
        _SOFTMAX,
        _12,
    ),
    PlantedBug(
        "softmax_of_batch",
        "softmax divides by the sum over the whole batch",
        (("e.sum(axis=1, keepdims=True)", "e.sum()"),),
        _CLASSES,
        _12,
    ),
    PlantedBug(
        "cross_entropy_outputs",
        "binary cross-entropy is a sum over the outputs, not their mean",
        (("return (O - Y) / k", "return O - Y"),),
        _BINARY,
        _12,
    ),
    PlantedBug(
        "forward_without_bias",
        "the biases get gradients and are missing in the forward pass",
        (("Os[-1] @ W + b", "Os[-1] @ W"),),
        _DEEP,
        _123,
    ),
    PlantedBug(
        "one_element",
        "one element is off by 1e-8 of itself",
        ((_END, "    dW[0][0, 0] *= 1 + 1e-8\n" + _END),),
        _DEEP,
        ("dW_1",),
    ),
    PlantedBug(
        "float32_inside",
        "computed in float32",
        (
            (
                "    Zs, Os = [], [X]",
                "    X, Y = np.float32(X), np.float32(Y)\n"
                "    weights = [np.float32(W) for W in weights]\n"
                "    biases = [b if b is None else np.float32(b) for b in biases]\n"
                "    Zs, Os = [], [X]",
            ),
        ),
        _DEEP,
        _123,
    ),
    PlantedBug(
        "nan",
        "one element is not a number",
        ((_END, "    dW[-1][0, 0] = np.nan\n" + _END),),
        _DEEP,
        ("dW_3",),
    ),
    PlantedBug(
        "kept_state",
        "gradients are added to those of the calls before",
        (
            ("def backprop(", "totals = {}\n\n\ndef backprop("),
            (
                "dW.insert(0, Os[layer].T @ delta)",
                "key = (layer, weights[layer].shape)\n"
                "        totals[key] = totals.get(key, 0) + Os[layer].T @ delta\n"
                "        dW.insert(0, totals[key])",
            ),
        ),
        _DEEP,
        _dW,
        call=2,
    ),
    PlantedBug(
        "updated_in_place",
        "the weights are updated in place during the pass",
        ((_ERROR, "weights[layer] -= 0.5 * dW[0]\n            " + _ERROR),),
        _DEEP,
        (),
        "error",
        "it changed its input `weights[1]`, `weights[2]` in place",
    ),
    PlantedBug(
        "layers_reversed",
        "the gradients come in the order of the backward pass, the last layer's first",
        ((_END, "    return dW[::-1], db[::-1]"),),
        _DEEP,
        (),
        "error",
        "dW[0] has shape (5, 2), expected (4, 3)",
    ),
    PlantedBug(
        "crash",
        "a name is misspelt in the backward pass",
        (("delta = error * g_prime", "delta = eror * g_prime"),),
        _DEEP,
        (),
        "error",
        "NameError: name 'eror' is not defined at",
    ),
)


def write_planted(bug: PlantedBug, folder: Path) -> Path:
    """Write the example with the mistake as `folder/<name>.py`.

    Raises AssertionError where a text to be changed is not found exactly once.
    """
    source = EXAMPLE.read_text(encoding="utf-8")
    for old, new in bug.changes:
        assert source.count(old) == 1, f"{bug.name}: {old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    path = folder / f"{bug.name}.py"
    path.write_text(source, encoding="utf-8")
    return path
