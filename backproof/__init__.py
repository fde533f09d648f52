"""backproof: is this hand-written backprop right, and if not, what does it do instead?

Importing this needs NumPy alone. The words live here (`Case`, `Gradients`); the witnesses, the
case space and the reports are loaded by the command line when they are asked for.
"""

from backproof.case import Arrays as Arrays
from backproof.case import Case as Case
from backproof.errors import BackproofError as BackproofError
from backproof.gradients import Failure as Failure
from backproof.gradients import Gradients as Gradients
from backproof.tokens import case_of as case_of
from backproof.tokens import token_of as token_of

__version__ = "0.1.0"
