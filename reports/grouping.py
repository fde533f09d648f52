"""By which fields of a case the errors are grouped, and in which order the values are shown."""

from collections.abc import Callable
from dataclasses import dataclass

from backproof import names
from backproof.records import CaseLine


@dataclass(frozen=True)
class Field:
    """A field to group cases by.

    name: in `summary.csv`   title: in the report   values: of one case (several: it counts under
    each)   order: sorts values for display
    """

    name: str
    title: str
    values: Callable[[CaseLine], tuple[str, ...]]
    order: Callable[[str], tuple[int, str]]


def _listed(*closed: str) -> Callable[[str], tuple[int, str]]:
    """The order of a closed list; a name that is not on it comes last, by its letters."""
    ranks = {name: rank for rank, name in enumerate(closed)}
    return lambda value: (ranks.get(value, len(ranks)), value)


def _numeric(value: str) -> tuple[int, str]:
    return int(value), value


# Widths and batches in doublings: 1, 2, 3 to 4, 5 to 8, ... Not "5-8", which a spreadsheet takes
# for a day in May.
_DOUBLINGS = ("1", "2", "3 to 4", "5 to 8", "9 to 16", "17 to 32", "33 to 64", "65 to 128")


def doubling(number: int) -> str:
    """The doubling a number from 1 to 128 lies in, as text."""
    return _DOUBLINGS[min((number - 1).bit_length(), len(_DOUBLINGS) - 1)]


def _origin(case: CaseLine) -> str:
    return case.origin.split(":")[0]


FIELDS = (
    Field("all", "All cases", lambda case: ("all",), _listed("all")),
    Field("depth", "Depth (weight matrices)", lambda c: (str(len(c.activations)),), _numeric),
    Field(
        "activation",
        "Activation (anywhere in the net)",
        lambda case: tuple(dict.fromkeys(case.activations)),
        _listed(*names.ACTIVATIONS),
    ),
    Field("loss", "Loss", lambda case: (case.loss,), _listed(*names.LOSSES)),
    Field("scale", "Scale (weights × 2^scale)", lambda case: (str(case.scale),), _numeric),
    Field("dtype", "dtype", lambda case: (case.dtype,), _listed(*names.DTYPES)),
    Field("regime", "Regime (which numbers)", lambda c: (c.regime,), _listed(*names.REGIMES)),
    Field("width", "Width (largest)", lambda c: (doubling(max(c.widths)),), _listed(*_DOUBLINGS)),
    Field("batch", "Batch (rows)", lambda case: (doubling(case.n),), _listed(*_DOUBLINGS)),
    Field("bias", "Bias", lambda case: (case.bias,), _listed(*names.BIASES)),
    Field("reduction", "Reduction", lambda c: (c.reduction,), _listed(*names.REDUCTIONS)),
    Field("size", "Size", lambda case: (case.size,), _listed("standard", "wide", "real")),
    Field("origin", "Origin", lambda case: (_origin(case),), _listed("drawn")),
)


def case_values(case: CaseLine, field: Field) -> list[str]:
    """The values of a field in one case, as pandas' `explode` wants them."""
    return list(field.values(case))
