"""The closed lists: every name that a case, a contract or a table may contain.

New names are added at the end, old ones never change: the position of a name is part of every
token that was ever printed (see `tokens.py`).
"""

ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "gelu",
    "silu",
    "softsign",
    "softmax",
)

LOSSES = (
    "half_squared_error",
    "mean_squared_error",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "cross_entropy_with_logits",
)

# The output activation a loss insists on; a squared error takes any.
OUTPUT_ACTIVATION = {
    "binary_cross_entropy": "sigmoid",
    "binary_cross_entropy_with_logits": "identity",
    "cross_entropy": "softmax",
    "cross_entropy_with_logits": "identity",
}

REDUCTIONS = ("sum", "mean")
BIASES = ("separate", "augmented", "none")
DTYPES = ("float64", "float32")

# What a program claims some of, under the name of the claim.
CLAIMED = {
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "reductions": REDUCTIONS,
    "biases": BIASES,
    "dtypes": DTYPES,
}

# Where the numbers of a case come from; `drawing.py` says what each one draws.
# "real" holds given arrays (a data set, somebody's own weights) and is never drawn.
REGIMES = (
    "integers",
    "fractions",
    "normal",
    "saturated",
    "tiny",
    "zeros",
    "duplicated",
    "one_hot",
    "soft_labels",
    "real",
)

# Learning rates and leaky slopes a drawn case may have. A power of two makes alpha * gradient
# exact; 1/64 and 1/4 are exact in both dtypes.
ALPHAS = (1.0, 0.5, 0.125, 0.1, 0.01, 2.0**-10, 2.0**10)
SLOPES = (1 / 64, 1 / 4)

# Weights are multiplied by 2**scale.
SCALES = tuple(range(-12, 9))

MAX_DEPTH = 8
MAX_WIDTH = 64
MAX_BATCH = 128

VERDICTS = ("agree", "uninformative", "kink", "inconclusive", "wrong")

ORACLES = ("torch_autograd", "jax_grad", "finite_difference", "exact")
