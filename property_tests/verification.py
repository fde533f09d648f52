"""`backproof verify`: from what was asked to a run and its report."""

import hashlib
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Protocol

import numpy as np

from backproof import __version__, casefiles, names, program, runfile, suite
from backproof import claims as target_claims
from backproof.case import Case
from backproof.errors import BackproofError, Interrupted, MissingExtraError
from backproof.places import place_of
from backproof.records import CaseLine, Header, Run
from backproof.target import Target
from oracles.elementary import as_measured
from property_tests import real_data
from property_tests.campaign import Docket, case_line, conduct, hash_of
from property_tests.gathering import Gathered, cases_from, gathered
from property_tests.interruption import Interruption
from property_tests.judging import Seat, pairs_of, promised_pairs
from property_tests.sides import REFERENCE, names_in, oracles_named, reference_seat
from property_tests.space import EVERYTHING, Claims


@dataclass(frozen=True)
class Plan:
    """What was asked for; the fields are the options of `backproof verify --help`."""

    impl: str | None = None
    adapter: Path | None = None
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

    Raises BackproofError, with one sentence, where the plan or the target is broken, and
    Interrupted where Ctrl-C came before or after the judging.
    """
    write_reports = _reports()
    if not (plan.cases or plan.cases_from or plan.data):
        raise BackproofError("`--cases` is 0 and there is no --data; ask for at least one case.")
    data = real_data.data_named(plan.data) if plan.data else ()
    listed = cases_from(plan.cases_from) if plan.cases_from else None
    _writable(plan.out)
    with Interruption() as interruption:

        def progress(phase: str, done: int, total: int) -> None:
            interruption.check()
            screen.progress(phase, done, total)

        witnesses, missing = oracles_named(names_in(plan.oracles))
        with (
            subject_seat(plan.impl, plan.adapter) as (seat, claims, conventions),
            as_measured() as widened,
        ):
            seats = [seat, *witnesses]
            if stated := getattr(seat.side, "stated", ()):
                raise BackproofError(
                    f"`--impl` {plan.impl} changes {' and '.join(stated)} itself, as its adapter "
                    "states; verify puts the same numbers to all sides, use `backproof check`."
                )
            conventions = {**conventions, **widened}
            screen.say(f"{seat.name} against {', '.join(s.name for s in witnesses) or 'nobody'}")
            for name, how in missing.items():
                screen.say(f"{name} is missing and is not counted: {how}")
            for name, value in conventions.items():
                screen.say(f"convention: {name} = {value}")
            found = gathered(listed, plan.cases, plan.seed, data, claims, progress)
            for case, _ in found.cases:
                if case.given is not None:
                    casefiles.save(case, plan.out / "cases")
            header = _header(plan, found, seats)
            header = replace(
                header, missing=missing, conventions=conventions, claims=_claims_told(plan, claims)
            )
            run = conduct(
                _docket(header, found),
                seats,
                plan.out / runfile.NAME,
                resume=plan.resume,
                rows_all=plan.rows_all,
                progress=progress,
            )
    screen.say("writing CSV and HTML")
    try:
        return run, write_reports(run, plan.out)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted while CSV and HTML were written; the run is whole, and "
            f"`backproof report {plan.out}` makes them."
        ) from None


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
def subject_seat(
    impl: str | None, adapter: Path | None = None
) -> Iterator[tuple[Seat, Claims, dict[str, str]]]:
    """The accused with what it claims and the conventions it follows."""
    if impl is None:
        yield reference_seat(), EVERYTHING, {}
        return
    with Target(impl, adapter=adapter) as target:
        if target.name in (*names.ORACLES, REFERENCE.name):
            raise BackproofError(
                f"`--impl` {impl} has the name of a side of ours, {target.name}; rename the file."
            )
        seat = Seat(target, family="stranger", is_oracle=False)
        yield seat, within(target.claims), target.conventions


def within(claims: target_claims.Claims) -> Claims:
    """What a target claims, as a part of the space that cases are drawn from."""
    known = {field.name for field in fields(Claims)} & vars(claims).keys() - {"alphas"}
    named = {field: getattr(claims, field) for field in known}
    return Claims(**named, alphas=claims.alphas or names.ALPHAS, max_batch=claims.max_rows)


def _header(plan: Plan, found: Gathered, seats: Sequence[Seat]) -> Header:
    cases = [case for case, _ in found.cases]
    origins = {origin.partition(":")[0] for _, origin in found.cases}
    return Header(
        seed=plan.seed,
        cases=len(cases),
        data=tuple(name for name in real_data.RECIPES if name in origins),
        cases_sha256=hash_of(_lines(found)),
        subject=seats[0].name,
        target=plan.impl or "",
        sides=tuple(seat.name for seat in seats),
        missing={},
        pairs=pairs_of(seats),
        promised=sum(len(promised_pairs(case, seats)) for case in cases),
        conventions={},
        versions=_versions(),
        platform=f"{platform.system()} {platform.machine()}, {platform.python_implementation()}",
        blas=_blas(),
        left_out=_left_out(cases, seats),
        unclaimed=found.unclaimed,
        rows="all" if plan.rows_all else "worst",
        code_sha256=_code_hash(plan.impl, plan.adapter),
    )


def _docket(header: Header, found: Gathered) -> Docket:
    return Docket(header, tuple(case for case, _ in found.cases), _lines(found))


def _lines(found: Gathered) -> tuple[CaseLine, ...]:
    return tuple(case_line(index, *both) for index, both in enumerate(found.cases))


def _claims_told(plan: Plan, claims: Claims) -> dict[str, tuple[str, ...]]:
    """What a target says it can do, for the score line; the reference claims everything."""
    if plan.impl is None:
        return {}
    told = ("activations", "losses", "reductions", "biases", "dtypes")
    return {field: getattr(claims, field) for field in told}


def _code_hash(impl: str | None, adapter: Path | None) -> str:
    """SHA-256 of the sources that judge and of the file that is judged.

    Results of code that no longer exists must not be taken for those of the code there is.
    """
    digest = hashlib.sha256()
    for name, path in suite.sources(*suite.PACKAGES).items():
        digest.update(name.encode() + path.read_bytes())
    if impl is not None:
        for path in _sources_of(impl, adapter):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources_of(impl: str, adapter: Path | None) -> list[Path]:
    """The files of a program, or a Python file and its adapter."""
    if impl.startswith(program.PREFIX):
        return program.files_of(impl)
    place = place_of(impl, adapter)
    return [Path(path) for path in (place.file, place.adapter) if path]


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
