"""`backproof test X`: one implementation as a pytest session with Hypothesis. This is its plugin.

The session collects one file of ours and nothing else: no conftest.py, no pytest.ini and no test of
the folder in which the learner stands. The profile is `learner` unless another one is named; the
header says the seed of the random cases.
"""

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings

from backproof.errors import BackproofError
from backproof.notebook import CheckReport
from backproof.pytest_door import Ladder
from backproof.request import Request
from property_tests import check_run, conftest
from property_tests.check_command import replay_of, settings_of
from property_tests.checking import Climb
from property_tests.exploration import Exploration, exploring

# On a CI service, too: a learner's session is short everywhere.
settings.load_profile("learner")


class Session(Ladder):
    """The ladder, and the climb itself, whose nets and factor the exploration goes on with."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.climb: Climb | None = None

    def climbed(self) -> CheckReport:
        checked, self.climb = check_run.check(self.request)
        return CheckReport(checked, replay_of(self.request.spec, self.request.adapter))


_SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `backproof test` hands over; workers of pytest-xdist get it as well."""
    group = parser.getgroup("backproof")
    group.addoption("--backproof-target", metavar="X", help="as of `backproof test`")
    group.addoption("--backproof-adapter", metavar="FILE", type=Path, help="likewise")
    group.addoption("--backproof-strict", action="store_true", help="likewise")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Load the implementation and find out what it claims."""
    conftest.pytest_configure(config)  # draws a seed
    home = tempfile.TemporaryDirectory(prefix="backproof-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    configuration.set_hypothesis_home_dir(home.name)  # nothing is left where the learner stands
    spec = config.getoption("--backproof-target")
    try:
        request = Request(
            spec,
            config.getoption("--backproof-adapter"),
            config.getoption("--backproof-strict"),
            settings_of(spec),
        )
        config.stash[_SESSION] = Session(request)
    except BackproofError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to draw the same cases again."""
    profile, seed = settings.get_current_profile_name(), config.getoption("--hypothesis-seed")
    command = f"backproof test {shlex.quote(config.getoption('--backproof-target'))}"
    return (
        f"cases: profile {profile}, {settings().max_examples} drawn; again with "
        f"{command} -- --hypothesis-profile={profile} --hypothesis-seed={seed}"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per check of the ladder."""
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", metafunc.config.stash[_SESSION].parameters())


@pytest.fixture(scope="session")
def exploration(request: pytest.FixtureRequest) -> Iterator[Exploration]:
    """The implementation, ready for any case of its claims; skipped where a rung broke."""
    session = request.config.stash[_SESSION]
    session.report()
    assert session.climb is not None  # it was just made
    if session.climb.broken:
        pytest.skip(f"blocked: it stands on {session.climb.broken}")
    with exploring(session.request, session.climb) as found:
        yield found
