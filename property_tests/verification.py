"""`backproof verify`: from what was asked to a run and its report."""

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

import numpy as np

from backproof import __version__, casefiles, runfile
from backproof.case import Case
from backproof.casefiles import FILE_PREFIX
from backproof.errors import BackproofError, CaseError, MissingExtraError
from backproof.records import CaseLine, Header, Run
from backproof.target import Target
from backproof.tokens import case_of
from property_tests import real_data
from property_tests.campaign import Docket, case_line, conduct, hash_of
from property_tests.judging import Seat, pairs_of, promised_pairs
from property_tests.sides import oracles_named, reference_seat
from property_tests.space import EVERYTHING, Claims


@dataclass(frozen=True)
class Plan:
    """What was asked for; the fields are the options of `backproof verify --help`."""

    impl: str | None = None
    cases: int = 1000
    seed: int = 0
    cases_from: Path | None = None
    data: str | None = None
    oracles: str | None = None
    out: Path = Path("backproof-report")
    resume: bool = False
    rows_all: bool = False


class Screen(Protocol):
    """Whoever shows what is going on."""

    def say(self, text: str) -> None: ...

    def progress(self, phase: str, done: int, total: int) -> None: ...


def verify(plan: Plan, screen: Screen) -> tuple[Run, list[Path]]:
    """Do what the plan says; the run with its footer, and the files that were written.

    Raises BackproofError, with one sentence, where the plan or the target is broken.
    """
    write_reports = _reports()
    names = [name.strip() for name in plan.oracles.split(",")] if plan.oracles else None
    _writable(plan.out)
    witnesses, missing = oracles_named(names)
    with subject_seat(plan.impl) as (seat, claims, conventions):
        seats = [seat, *witnesses]
        screen.say(f"{seat.name} against {', '.join(s.name for s in witnesses) or 'nobody'}")
        for name, how in missing.items():
            screen.say(f"{name} is missing and is not counted: {how}")
        for name, value in conventions.items():
            screen.say(f"convention: {name} = {value}")
        found = _cases(plan, claims, screen)
        docket = _docket(plan, found, seats, missing, conventions)
        run = conduct(
            docket,
            seats,
            plan.out / runfile.NAME,
            resume=plan.resume,
            rows_all=plan.rows_all,
            progress=screen.progress,
        )
    screen.say("writing CSV and HTML")
    return run, write_reports(run, plan.out)


def _reports() -> Callable[[Run, Path], list[Path]]:
    """The report writer, asked for before hours of work and not after them."""
    try:
        import hypothesis  # noqa: F401

        from reports import write_reports
    except ImportError as error:
        raise MissingExtraError(
            f"verify needs {error.name or 'the extra `suite`'}: "
            "python -m pip install 'backproof[suite]'"
        ) from None
    return write_reports


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BackproofError(
            f"`--out` {folder} cannot be written ({error.strerror}); give another folder."
        ) from None


@contextmanager
def subject_seat(impl: str | None) -> Iterator[tuple[Seat, Claims, dict[str, str]]]:
    """The accused with what it claims and the conventions it follows."""
    if impl is None:
        yield reference_seat(), EVERYTHING, {}
        return
    with Target(impl) as target:
        seat = Seat(target, family="stranger", is_oracle=False)
        yield seat, claims_of(target), target.conventions


def claims_of(target: Target) -> Claims:
    """The part of the case space that a target supports."""
    return Claims(**vars(target.claims))


def _cases(plan: Plan, claims: Claims, screen: Screen) -> list[tuple[Case, str]]:
    """Every case with its origin: drawn ones first, then real data."""
    if plan.cases_from is not None:
        found = cases_from(plan.cases_from)
    else:
        from property_tests.generation import draw_cases

        def drawn(done: int) -> None:
            screen.progress("drawing", done, plan.cases)

        found = [
            (case, "drawn")
            for case in draw_cases(plan.cases, plan.seed, claims=claims, progress=drawn)
        ]
    names = real_data.data_named(plan.data) if plan.data else ()
    for done, name in enumerate(names):
        screen.progress("training on real data", done, len(names))
        found += [
            (case, origin)
            for case, origin in real_data.real_cases(name, plan.seed)
            if _claimed(case, claims)
        ]
    for case, _ in found:
        if case.given is not None:
            casefiles.save(case, plan.out / "cases")
    return found


def _claimed(case: Case, claims: Claims) -> bool:
    """Real data and given cases were not drawn inside the claims."""
    return (
        set(case.activations[:-1]) <= set(claims.hidden) & set(claims.activations)
        and (case.activations[-1], case.loss) in claims.combinations
        and case.reduction in claims.reductions
        and case.bias in claims.biases
        and case.dtype in claims.dtypes
        and ("leaky_relu" not in case.activations or case.slope in claims.slopes)
    )


def cases_from(path: Path) -> list[tuple[Case, str]]:
    """The cases of a run.jsonl, of a list of tokens (.txt), or of one case file (.npz), with
    their origins.

    Raises CaseError or RunFileError for a file that is foreign or truncated.
    """
    if path.suffix == ".npz":
        return [(casefiles.load(path), path.name)]
    if path.suffix == ".txt":
        return [(case_of(token), path.name) for token in _tokens(path)]
    folder = path.parent / "cases"
    return [(_case_of_line(line, folder), line.origin) for line in runfile.read_run(path).cases]


def _tokens(path: Path) -> list[str]:
    """One token a line; empty lines and what follows a # do not count."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path} cannot be read as a list of tokens: {error}.") from None
    return [token for line in lines if (token := line.partition("#")[0].strip())]


def _case_of_line(line: CaseLine, folder: Path) -> Case:
    if line.token.startswith(FILE_PREFIX):
        return casefiles.load(folder / f"{line.token.removeprefix(FILE_PREFIX)}.npz")
    return case_of(line.token)


def _docket(
    plan: Plan,
    found: Sequence[tuple[Case, str]],
    seats: Sequence[Seat],
    missing: dict[str, str],
    conventions: dict[str, str],
) -> Docket:
    lines = tuple(case_line(index, case, origin) for index, (case, origin) in enumerate(found))
    header = Header(
        seed=plan.seed,
        cases=len(lines),
        data=real_data.data_named(plan.data) if plan.data else (),
        cases_sha256=hash_of(lines),
        subject=seats[0].name,
        target=plan.impl or "",
        sides=tuple(seat.name for seat in seats),
        missing=missing,
        pairs=pairs_of(seats),
        promised=sum(len(promised_pairs(case, seats)) for case, _ in found),
        conventions=conventions,
        versions=_versions(),
        platform=f"{platform.system()} {platform.machine()}, {platform.python_implementation()}",
        blas=_blas(),
        left_out=_left_out([case for case, _ in found], seats),
    )
    return Docket(header, tuple(case for case, _ in found), lines)


def _left_out(cases: Sequence[Case], seats: Sequence[Seat]) -> dict[str, int]:
    """How many cases each oracle that judges a share only leaves alone."""
    counts = {seat.name: sum(not seat.promises(case) for case in cases) for seat in seats}
    return {name: count for name, count in counts.items() if count}


_LIBRARIES = (
    "numpy",
    "python-flint",
    "torch",
    "jax",
    "jaxlib",
    "hypothesis",
    "pandas",
    "scikit-learn",
)


def _versions() -> dict[str, str]:
    versions = {"backproof": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _blas() -> str:
    """Name and version of the BLAS that this NumPy was built with."""
    config = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {}) if config else {}
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
