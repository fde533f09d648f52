"""A case as a short word, and back: `bp1` + digits + three digits of checksum.

The fields are written as one number in a mixed radix and that number in base 32 (Crockford's
letters: no i, l, o, u; written small, read in either case). Each radix leaves room for names still
to come, so a token printed once means the same case in every later version. Anything that would
change that gets `bp2`.
"""

import hashlib
import struct
from collections.abc import Iterator

from backproof import names
from backproof.case import Case
from backproof.casefiles import FILE_PREFIX, case_hash
from backproof.errors import CaseError

PREFIX = "bp1"
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_CHECK_DIGITS = 3
_LONGEST = 80

# field, its closed list, radix (a power of two >= the list's length, with room to grow)
_NAMED = (
    ("loss", names.LOSSES, 16),
    ("reduction", names.REDUCTIONS, 4),
    ("bias", names.BIASES, 4),
    ("alpha", names.ALPHAS, 16),
    ("regime", names.REGIMES, 32),
    ("scale", names.SCALES, 64),
    ("dtype", names.DTYPES, 4),
    ("slope", names.SLOPES, 8),
)
_ACTIVATION_RADIX = 32
# A number of somebody's own, such as a learning rate written into a program: the last index of its
# radix, and the 64 bits of the float at the end.
_NUMBERS = ("alpha", "slope")
_BITS = struct.Struct(">d")


def token_of(case: Case) -> str:
    """The token of a case: about 30 characters, or `file:<sha256>` for given arrays.

    An alpha or a slope outside the closed lists makes it 13 characters longer.
    """
    if case.given is not None:
        return FILE_PREFIX + case_hash(case)
    number = 0
    for value, radix in reversed(list(_fields(case))):
        number = number * radix + value
    digits = _base32(number)
    return PREFIX + digits + _checksum(digits)


def case_of(token: str) -> Case:
    """The case a token names; capitals mean the same as small letters.

    Raises CaseError for a token that is misspelt, truncated or from a later version. A
    `file:<sha256>` token needs the file beside it: see `casefiles.load`.
    """
    if not isinstance(token, str):
        raise CaseError(f"`token` is a {type(token).__name__}; give a string.")
    # Only ASCII has two cases here: the Kelvin sign, too, becomes a k when it is lowered.
    written, token = token, token.lower() if token.isascii() else token
    if token.startswith(FILE_PREFIX):
        raise CaseError(
            f"{_quoted(written)} names a case file, so the file is needed too; see --out."
        )
    digits = token[len(PREFIX) : -_CHECK_DIGITS]
    if not token.startswith(PREFIX) or not digits or len(token) > _LONGEST:
        raise CaseError(
            f"{_quoted(written)} is no case token; one looks like {token_of(_EXAMPLE)} "
            "and stands in every report."
        )
    if any(digit not in _DIGITS for digit in digits) or token[-_CHECK_DIGITS:] != _checksum(digits):
        raise CaseError(f"{_quoted(written)} is misspelt or cut off; copy the whole token.")
    case = _decoded(_number(digits))
    if token_of(case) != token:
        raise CaseError(f"{_quoted(written)} names no case of this version; update backproof.")
    return case


def _fields(case: Case) -> Iterator[tuple[int, int]]:
    """(value, radix) of each field; the depth comes first, it says how many follow."""
    yield case.depth - 1, names.MAX_DEPTH
    for width in case.widths:
        yield width - 1, names.MAX_WIDTH
    for name in case.activations:
        yield names.ACTIVATIONS.index(name), _ACTIVATION_RADIX
    yield case.n - 1, names.MAX_BATCH
    yield case.seed, 2**32
    own = []
    for field, values, radix in _NAMED:
        value = getattr(case, field)
        if value in values:
            yield values.index(value), radix
        else:  # a `Case` lets only numbers through that are on no list
            yield radix - 1, radix
            own.append(float(value))
    for number in own:
        yield int.from_bytes(_BITS.pack(number), "big"), 2**64


def _decoded(number: int) -> Case:
    def take(radix: int) -> int:
        nonlocal number
        number, value = divmod(number, radix)
        return value

    depth = take(names.MAX_DEPTH) + 1
    widths = tuple(take(names.MAX_WIDTH) + 1 for _ in range(depth + 1))
    activations = [take(_ACTIVATION_RADIX) for _ in range(depth)]
    n = take(names.MAX_BATCH) + 1
    seed = take(2**32)
    indices = {field: take(radix) for field, _, radix in _NAMED}
    own = {
        field: _BITS.unpack(take(2**64).to_bytes(8, "big"))[0]
        for field, _, radix in _NAMED
        if field in _NUMBERS and indices[field] == radix - 1
    }
    try:
        named = own | {f: values[indices[f]] for f, values, _ in _NAMED if f not in own}
        chosen = tuple(names.ACTIVATIONS[index] for index in activations)
    except IndexError:
        raise CaseError("the token has a name that this version does not know.") from None
    return Case(widths=widths, activations=chosen, n=n, seed=seed, **named)


def _base32(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return digits


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 32 + _DIGITS.index(digit)
    return number


def _checksum(digits: str) -> str:
    value = int.from_bytes(hashlib.sha256((PREFIX + digits).encode()).digest()[:4], "big")
    return _base32(value)[-_CHECK_DIGITS:].rjust(_CHECK_DIGITS, _DIGITS[0])


def _quoted(token: str) -> str:
    return repr(token if len(token) <= _LONGEST else token[:_LONGEST] + "...")


_EXAMPLE = Case(widths=(3, 2), activations=("tanh",))
