"""The smallest cases there are, on which several trials turn."""

from backproof.case import Case

ONE = Case((1, 1), ("identity",))
SIMPLEST = Case((1, 1), ("identity",), regime="integers")  # what every search shrinks to
