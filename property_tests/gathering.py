"""Which cases a run is about: drawn ones, those of an earlier run or a list, and real data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backproof import casefiles, runfile
from backproof.case import Case
from backproof.casefiles import FILE_PREFIX
from backproof.errors import CaseError
from backproof.tokens import case_of
from property_tests import real_data
from property_tests.space import Claims

Origin = str
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Gathered:
    """Cases with their origins, in order, and per origin how many the subject does not claim."""

    cases: list[tuple[Case, Origin]]
    unclaimed: dict[Origin, int]


def gathered(
    listed: list[tuple[Case, Origin]] | None,
    count: int,
    seed: int,
    data: tuple[str, ...],
    claims: Claims,
    progress: Progress,
) -> Gathered:
    """The listed cases, or `count` drawn inside the claims; then those of the data sets.

    Raises CaseError where nothing is left to ask.
    """
    found = listed if listed is not None else _drawn(count, seed, claims, progress)
    for done, name in enumerate(data):
        progress("training on real data", done, len(data))
        found = [*found, *real_data.real_cases(name, seed)]
    unclaimed: dict[Origin, int] = {}
    for case, origin in found:
        if not claimed(case, claims):
            unclaimed[origin] = unclaimed.get(origin, 0) + 1
    cases = [(case, origin) for case, origin in found if claimed(case, claims)]
    if not cases:
        raise CaseError("no case is left to ask; give --cases, --cases-from or --data others.")
    return Gathered(cases, unclaimed)


def _drawn(count: int, seed: int, claims: Claims, progress: Progress) -> list[tuple[Case, Origin]]:
    if not count:
        return []
    from property_tests.generation import draw_cases

    def drawn(done: int) -> None:
        progress("drawing", done, count)

    return [(case, "drawn") for case in draw_cases(count, seed, claims=claims, progress=drawn)]


def claimed(case: Case, claims: Claims) -> bool:
    """Listed cases and real data were not drawn inside the claims."""
    return (
        case.depth in claims.depths
        and case.n <= claims.max_batch
        and set(case.activations[:-1]) <= set(claims.hidden) & set(claims.activations)
        and (case.activations[-1], case.loss) in claims.combinations
        and case.reduction in claims.reductions
        and case.bias in claims.biases
        and case.dtype in claims.dtypes
        and ("leaky_relu" not in case.activations or case.slope in claims.slopes)
    )


def cases_from(path: Path) -> list[tuple[Case, Origin]]:
    """The cases of a run.jsonl, of a list of tokens (.txt), or of one case file (.npz), with
    their origins.

    Raises CaseError or RunFileError for a file that is foreign, truncated or empty.
    """
    if path.suffix == ".npz":
        return [(casefiles.load(path), path.name)]
    if path.suffix == ".txt":
        found = [(case_named(token, path.parent), path.name) for token in _tokens(path)]
    else:
        lines = runfile.read_run(path).cases
        found = [(case_named(line.token, path.parent), line.origin) for line in lines]
    if not found:
        raise CaseError(f"{path} lists no case; give a list with a token in it.")
    return found


def _tokens(path: Path) -> list[str]:
    """One token a line; empty lines and what follows a # do not count."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path} cannot be read as a list of tokens: {error}.") from None
    return [token for line in lines if (token := line.partition("#")[0].strip())]


def case_named(token: str, folder: Path | None) -> Case:
    """The case of a token; that of `file:<sha256>` is in `cases/` of its run's folder."""
    if token.startswith(FILE_PREFIX):
        if folder is None:
            raise CaseError(f"{token:.20}... names a case file; give its run's folder with --out.")
        return casefiles.load(casefiles.case_path(token, folder / "cases"))
    return case_of(token)
