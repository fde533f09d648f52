"""The nets of the ladder: small, asymmetric, made for what an implementation claims.

What hides mistakes is avoided by construction: the number of rows and all widths differ, there are
at least four rows, two outputs and (where claimed) three layers, the activations are mixed, biases
are not zero. A mistake in an index, a transpose or a factor then has nowhere to hide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backproof.case import Case
from backproof.claims import Claims

# Input, hidden layers, output: all different, and none is a number of rows below.
_INPUT, _HIDDEN, _OUTPUT = 3, (5, 4, 7, 8, 10, 11, 12), 2
ROWS = 6
# A step is weights after - weights before: the larger the rate, the less of it is rounded away.
LARGE_RATE = 2.0**10
# Where answers are compared to four digits whatever the order of the moves: half the digits of a
# step are lost beside its weight, and a weight that moves too early is off in the other half.
SLOW_RATE = 2.0**-26


@dataclass(frozen=True)
class Nets:
    """Builds the nets that `claims` allows.

    moves: the implementation shows ΔW alone   broken: activations, and (output, loss) pairs, that
        a lower rung found wrong: no net above it has them
    """

    claims: Claims
    moves: bool = False
    broken: frozenset[str | tuple[str, str]] = field(default=frozenset())

    def without(self, *names: str | tuple[str, str]) -> "Nets":
        """The same, after a rung has found these wrong."""
        return replace(self, broken=self.broken.union(names))

    def with_again(self, name: str | tuple[str, str]) -> "Nets":
        """The same, with what had been left out too early."""
        return replace(self, broken=self.broken - {name})

    @property
    def whole(self) -> "Nets":
        """The same, as if nothing had been found wrong."""
        return replace(self, broken=frozenset())

    @property
    def hidden(self) -> tuple[str, ...]:
        """Activations for layers below the output."""
        return tuple(name for name in self.claims.hidden if name not in self.broken)

    @property
    def endings(self) -> tuple[tuple[str, str], ...]:
        """(output activation, loss), the plainest first: a squared error of what has no g'."""
        left = [
            pair
            for pair in self.claims.combinations
            if pair not in self.broken and pair[0] not in self.broken
        ]
        return tuple(sorted(left, key=_plainness))

    @property
    def depths(self) -> tuple[int, ...]:
        """Numbers of layers for which something is left to build with."""
        return tuple(depth for depth in self.claims.depths if depth == 1 or self.hidden)

    @property
    def depth(self) -> int | None:
        """The plainest depth in which a hidden activation occurs, or 1; None if nothing is left."""
        if not self.depths or not self.endings:
            return None
        return min((depth for depth in self.depths if depth > 1), default=self.depths[0])

    def net(
        self,
        seed: int,
        *,
        depth: int | None = None,
        hidden: Sequence[str] = (),
        ending: tuple[str, str] | None = None,
        n: int = ROWS,
        outputs: int = _OUTPUT,
        **fields: Any,
    ) -> Case | None:
        """A case of the wanted form, or None where it is not claimed.

        hidden: activations to take turns below the output; without them all that are claimed do
        n, outputs: taken as they are where claimed, otherwise as they must be
        fields: of `Case`, as they are
        """
        depth = depth or self.depth
        ending = ending or next(iter(self.endings), None)
        if depth is None or ending is None or depth not in self.claims.depths:
            return None
        below = tuple(hidden) or self.hidden
        if depth > 1 and not below:
            return None
        step = 1 if self.claims.mixed else 0
        turns = tuple(below[(seed + step * layer) % len(below)] for layer in range(depth - 1))
        case = Case(
            widths=self._widths(depth, outputs),
            activations=(*turns, ending[0]),
            loss=ending[1],
            n=min(n, self.claims.max_rows),
            **{**self._fields(), **fields, "seed": seed},
        )
        return None if self.claims.refusal(case) else case

    def _widths(self, depth: int, outputs: int) -> tuple[int, ...]:
        if self.claims.widths is not None:
            return self.claims.widths
        last = outputs if self.claims.outputs is None else self.claims.outputs
        # Of the hidden widths none may be the output's.
        inner = [width for width in _HIDDEN if width != last]
        return (_INPUT if last != _INPUT else 2, *inner[: depth - 1], last)

    def _fields(self) -> dict[str, Any]:
        claims = self.claims
        rates = claims.alphas or ((LARGE_RATE,) if self.moves else (1.0,))
        return {
            "reduction": claims.reductions[0],
            "bias": claims.biases[0],
            "alpha": rates[0],
            "slope": claims.slopes[0],
            "dtype": claims.dtypes[0],
        }


def _plainness(pair: tuple[str, str]) -> tuple[bool, bool]:
    output, loss = pair
    return "squared" not in loss, output != "identity"
