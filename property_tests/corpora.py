"""The frozen lists: the cases on which the gates of `gates.py` must hold, the same ones for ever.

A list is a recipe (which seed, which part of the case space, which index) or a file of tokens, and
always the SHA-256 of all its tokens. Drawing it again after a change of the source either gives the
same cases or fails with a sentence: a gate never moves in silence.

    python -m property_tests.corpora                       what there is
    python -m property_tests.corpora NAME --scale ci       its tokens, for `verify --cases-from`
    python -m property_tests.corpora NAME --out FOLDER     the same with its case files
    python -m property_tests.corpora NAME --regenerate     write its hash again (say why)
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from backproof import casefiles, names
from backproof.case import Case
from backproof.casefiles import FILE_PREFIX
from backproof.errors import BackproofError, CaseError
from backproof.tokens import token_of
from property_tests.adversarial import TRAITS, adversarial_case
from property_tests.gathering import cases_from
from property_tests.space import EVERYTHING, Claims, sampled_case
from property_tests.wrong_formulas import FORMULAS

FOLDER = Path(__file__).resolve().parent / "corpus"
HASHES = FOLDER / "hashes.json"
SCALES = ("ci", "full")


@dataclass(frozen=True)
class Frozen:
    """A list of cases that never changes.

    case_at: index -> case, and it does not depend on the other indices
    counts: how many cases at each scale; "ci" is the beginning of "full"
    """

    name: str
    case_at: Callable[[int], Case]
    counts: dict[str, int]

    def part(self, start: int, stop: int) -> list[Case]:
        """Cases start .. stop - 1, not verified: pass all their tokens to `verify`."""
        return [self.case_at(index) for index in range(start, stop)]

    def verify(self, scale: str, sha256: str) -> None:
        """Raise CaseError unless this is the SHA-256 that was frozen."""
        frozen = _frozen_hashes(HASHES).get(self.name, {}).get(scale)
        if frozen is None:
            raise CaseError(
                f"the list `{self.name}` ({scale}) has no SHA-256 in {HASHES}; "
                f"write it with `{_REGENERATE.format(self.name)}`."
            )
        if sha256 != frozen:
            raise CaseError(
                f"the list `{self.name}` ({scale}, {self.counts[scale]} cases) is not the one that "
                f"was frozen: its SHA-256 is {sha256[:12]}, expected {frozen[:12]}; a change of "
                f"the source changed it: undo that, or `{_REGENERATE.format(self.name)}` and say "
                "why."
            )


_REGENERATE = "python -m property_tests.corpora {} --regenerate"


def sha256_of(tokens: Sequence[str]) -> str:
    """Of all tokens, one a line."""
    return hashlib.sha256("".join(f"{token}\n" for token in tokens).encode()).hexdigest()


def load(name: str, scale: str = "ci") -> list[Case]:
    """All cases of a list, verified.

    Raises CaseError for an unknown name, and where the cases are not those that were frozen.
    """
    frozen = frozen_list(name)
    cases = frozen.part(0, frozen.counts[scale])
    frozen.verify(scale, sha256_of([token_of(case) for case in cases]))
    return cases


def frozen_list(name: str) -> Frozen:
    """A list by its name. Raises CaseError for an unknown one."""
    if name not in LISTS:
        raise CaseError(f"no list is called {name!r}; use one of {', '.join(LISTS)}.")
    return LISTS[name]


def _frozen_hashes(path: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"{path} cannot be read ({error}); fetch it again.") from None
    return found


# The losses whose rows of the bound are derived together, by what stands at the output.
_SQUARES = ("half_squared_error", "mean_squared_error")
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # name           output activations          losses
    "squares": ((), _SQUARES),  # the output has the hidden activation
    "softmax_squares": (("softmax",), _SQUARES),
    "binary": (
        ("sigmoid", "identity"),
        ("binary_cross_entropy", "binary_cross_entropy_with_logits"),
    ),
    "classes": (("softmax", "identity"), ("cross_entropy", "cross_entropy_with_logits")),
}
ELEMENTWISE = tuple(name for name in names.ACTIVATIONS if name != "softmax")


def group_claims(activation: str, group: str) -> Claims:
    """Nets whose hidden layers all have one activation, with the losses of one group."""
    outputs, losses = GROUPS[group]
    return Claims(
        activations=tuple(dict.fromkeys((activation, *outputs))),
        hidden=(activation,),
        losses=losses,
        combinations=tuple(product(outputs or (activation,), losses)),
        # With one layer alone the activation would not occur.
        depths=EVERYTHING.depths[1:] if outputs else EVERYTHING.depths,
    )


def _drawn(
    name: str, seed: int, *, ci: int, full: int, size: str | None = None, claims: Claims
) -> Frozen:
    case_at = partial(sampled_case, seed, size=size, claims=claims)
    return Frozen(name, case_at, {"ci": ci, "full": full})


def _stored(name: str) -> Frozen:
    """A file of tokens, with case files beside it."""
    path = FOLDER / f"{name}.txt"

    def case_at(index: int) -> Case:
        return stored_cases(path)[index]

    # A list that is not there yet has no case; its hash then says so.
    count = len(stored_tokens(path))
    return Frozen(name, case_at, {"ci": count, "full": count})


_STORED: dict[Path, list[Case]] = {}


def stored_cases(path: Path) -> list[Case]:
    """What `backproof verify --cases-from` reads, read once."""
    if path not in _STORED:
        _STORED[path] = [case for case, _ in cases_from(path)]
    return _STORED[path]


def stored_tokens(path: Path) -> list[str]:
    """The lines of a token file that are no comment."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [token for line in lines if (token := line.partition("#")[0].strip())]


_FLOAT64 = Claims(dtypes=("float64",))
_NORMAL = Claims(dtypes=("float64",), regimes=("normal",))
_ALL = (
    *(
        _drawn(
            f"rows/{activation}/{group}",
            7000 + number,
            ci=50,
            full=10_000,
            claims=group_claims(activation, group),
        )
        for number, (activation, group) in enumerate(product(ELEMENTWISE, GROUPS))
    ),
    Frozen(
        "adversarial_drawn",
        partial(adversarial_case, 71),
        {"ci": 5 * len(TRAITS), "full": 160 * len(TRAITS)},
    ),
    _stored("adversarial"),
    _drawn("space", 72, ci=3000, full=100_000, claims=EVERYTHING),
    _drawn("tightness", 73, ci=1000, full=20_000, size="standard", claims=_FLOAT64),
    _drawn("detection", 74, ci=500, full=2000, size="standard", claims=_NORMAL),
    *(
        _drawn(f"formulas/{formula.name}", 7500 + number, ci=15, full=300, size="standard",
               claims=formula.claims)
        for number, formula in enumerate(FORMULAS)
    ),
)  # fmt: skip
LISTS: dict[str, Frozen] = {frozen.name: frozen for frozen in _ALL}


# Writing them.


def regenerate(name: str) -> None:
    """Draw a list again and write its hashes; of `adversarial` the tokens and case files as well.

    What stands in `adversarial.txt` by hand (a case that once broke the bound) is kept.
    """
    if name == "adversarial":
        _store_adversarial()
        LISTS[name] = _stored(name)
    frozen = frozen_list(name)
    tokens = [token_of(frozen.case_at(index)) for index in range(frozen.counts["full"])]
    hashes = _frozen_hashes(HASHES) if HASHES.exists() else {}
    hashes[name] = {scale: sha256_of(tokens[: frozen.counts[scale]]) for scale in SCALES}
    known = {each: hashes[each] for each in LISTS if each in hashes}
    HASHES.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


_OF_EACH_TRAIT = 3
_HEAD = (
    "# Cases that attacked the bound: `backproof verify --cases-from` reads them. See README.md.\n"
)


def _store_adversarial() -> None:
    path = FOLDER / "adversarial.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    _STORED.pop(path, None)
    known = set(stored_tokens(path))
    lines = lines or [_HEAD.strip()]
    for index in range(_OF_EACH_TRAIT * len(TRAITS)):
        case = adversarial_case(71, index)
        token = token_of(case)
        if case.given is not None:
            casefiles.save(case, FOLDER / "cases")
        if token not in known:
            lines.append(f"{token}  # {list(TRAITS)[index % len(TRAITS)]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def written(name: str, scale: str, folder: Path) -> Path:
    """A list as a token file with its case files beside it, as `--cases-from` reads it."""
    cases = load(name, scale)
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        if case.given is not None:
            casefiles.save(case, folder / "cases")
    path = folder / f"{name.replace('/', '_')}.txt"
    path.write_text("".join(f"{token_of(case)}\n" for case in cases), encoding="utf-8")
    return path


def main(words: Sequence[str] | None = None) -> int:
    """The command line at the head of this file; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m property_tests.corpora")
    parser.add_argument("name", nargs="?", help="a list; without it all are named")
    parser.add_argument("--scale", choices=SCALES, default="ci")
    parser.add_argument("--out", type=Path, help="write tokens and case files into this folder")
    parser.add_argument("--regenerate", action="store_true", help="write its SHA-256 again")
    asked = parser.parse_args(words)
    try:
        _answer(asked)
    except BackproofError as error:
        print(f"corpora: {error}", file=sys.stderr)
        return 2
    return 0


def _answer(asked: argparse.Namespace) -> None:
    if asked.name is None:
        if asked.regenerate:
            raise BackproofError("`--regenerate` needs the name of one list.")
        for name, frozen in LISTS.items():
            print(f"{name:34} {frozen.counts['ci']:7} {frozen.counts['full']:7}")
    elif asked.regenerate:
        regenerate(asked.name)
        print(f"{asked.name} is frozen again; say why in the commit.")
    elif asked.out is not None:
        print(written(asked.name, asked.scale, asked.out))
    else:
        cases = load(asked.name, asked.scale)
        if any(token_of(case).startswith(FILE_PREFIX) for case in cases):
            raise BackproofError(
                f"`{asked.name}` has cases with arrays of their own; give `--out`."
            )
        for case in cases:
            print(token_of(case))


if __name__ == "__main__":
    sys.exit(main())
