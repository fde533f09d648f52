"""Real input: the reference is trained on real data, and ΔW is checked along the run.

Saturated and dead units live in trained nets, not in random ones. The four data sets come with
scikit-learn, so nothing is downloaded. Each becomes a small net, a batch at a time, and the
weights at the start, in the middle and at the end of the training are cases with given arrays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import reference_impl
from backproof.case import Arrays, Case
from backproof.errors import BackproofError, MissingExtraError

Matrix = NDArray[np.float64]
Parameters = tuple[Any, Any]  # weights and biases, lists per layer


class RealCase(NamedTuple):
    """A case from a training run, and where it stood in it."""

    case: Case
    origin: str


@dataclass(frozen=True)
class Recipe:
    """A net that suits a data set, and how long it is trained.

    hidden: widths and activations below the output   rows: of a batch   steps: of training
    """

    loader: str
    loss: str
    output: str
    hidden: tuple[tuple[int, str], ...]
    alpha: float
    steps: int = 300
    rows: int = 32
    reduction: str = "mean"


RECIPES = {
    "digits": Recipe(
        "load_digits", "cross_entropy_with_logits", "identity", ((32, "relu"), (16, "relu")), 0.5
    ),
    "wine": Recipe("load_wine", "cross_entropy", "softmax", ((8, "tanh"),), 0.5),
    "breast_cancer": Recipe(
        "load_breast_cancer", "binary_cross_entropy", "sigmoid", ((8, "sigmoid"), (4, "elu")), 0.5
    ),
    "diabetes": Recipe(
        "load_diabetes", "mean_squared_error", "identity", ((8, "softplus"), (6, "gelu")), 0.05
    ),
}


def data_named(text: str) -> tuple[str, ...]:
    """ "all", or names of data sets joined by commas, as a tuple in the order of RECIPES.

    Raises BackproofError for a name that is none.
    """
    wanted = list(RECIPES) if text == "all" else [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in RECIPES:
            raise BackproofError(
                f"`--data` has {name!r}; use all, or some of {', '.join(RECIPES)}."
            )
    return tuple(name for name in RECIPES if name in wanted)


def real_cases(name: str, seed: int) -> list[RealCase]:
    """Three cases (start, middle, end) in each dtype from one training run on one data set.

    Raises MissingExtraError without scikit-learn.
    """
    recipe = RECIPES[name]
    X, Y = _data(recipe)
    rng = np.random.default_rng(seed)
    widths = [X.shape[1], *(width for width, _ in recipe.hidden), Y.shape[1]]
    activations = [*(activation for _, activation in recipe.hidden), recipe.output]
    parameters: Parameters = reference_impl.initial_weights(widths, rng, how="xavier")
    found = []
    for step in range(recipe.steps + 1):
        batch = np.sort(rng.choice(len(X), size=recipe.rows, replace=False))
        if step in (0, recipe.steps // 2, recipe.steps):
            origin = f"{name}: step {step} of {recipe.steps}"
            for case in _snapshots(recipe, activations, parameters, X[batch], Y[batch]):
                found.append(RealCase(case, origin))
        trained = reference_impl.train(
            *parameters,
            X[batch],
            Y[batch],
            activations,
            recipe.loss,
            alpha=recipe.alpha,
            epochs=1,
            reduction=recipe.reduction,
        )
        parameters = trained[:2]
    return found


def _snapshots(
    recipe: Recipe, activations: list[str], parameters: Parameters, X: Matrix, Y: Matrix
) -> Iterator[Case]:
    weights, biases = parameters
    for dtype in ("float64", "float32"):
        yield Case(
            widths=(X.shape[1], *(W.shape[1] for W in weights)),
            activations=tuple(activations),
            loss=recipe.loss,
            reduction=recipe.reduction,
            n=len(X),
            alpha=recipe.alpha,
            regime="real",
            dtype=dtype,
            given=Arrays(
                tuple(_plain(W, dtype) for W in weights),
                tuple(_plain(b, dtype) for b in biases),
                _plain(X, dtype),
                _plain(Y, dtype),
            ),
        )


def _plain(array: Matrix, dtype: str) -> Any:
    """Read-only, in the dtype, with subnormal numbers (a dead unit's weights) set to zero."""
    plain = np.ascontiguousarray(array, dtype=dtype)
    plain = np.where(np.abs(plain) < np.finfo(dtype).smallest_normal, 0, plain).astype(dtype)
    plain.setflags(write=False)
    return plain


def _data(recipe: Recipe) -> tuple[Matrix, Matrix]:
    """Standardised inputs (rows, features), and labels (rows, outputs) as the loss wants them."""
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtraError(
            "`--data` needs scikit-learn: python -m pip install 'backproof[suite]'"
        ) from None
    X, y = getattr(datasets, recipe.loader)(return_X_y=True)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if recipe.loss.startswith("cross_entropy"):
        return X, np.eye(int(y.max()) + 1)[y]
    if recipe.loss == "mean_squared_error":
        y = (y - y.mean()) / y.std()
    return X, y.reshape(-1, 1).astype(np.float64)
