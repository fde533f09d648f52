"""How long the tests look, with which random numbers, and before which witnesses.

Profiles: `learner` is quick, `ci` is what a push runs, `nightly` looks for hours. Choose one with
`--hypothesis-profile=NAME`; without it `ci` is taken where Hypothesis sees a CI service, and
`learner` elsewhere. The header of each run says which, and how to draw the same cases again.
"""

import secrets
from importlib import metadata, util

import pytest
from hypothesis import HealthCheck, settings

# Each witness and the distribution it needs; finite differences need NumPy alone.
WITNESSES = {
    "torch_autograd": "torch",
    "jax_grad": "jax",
    "finite_difference": "numpy",
    "exact": "python-flint",
}

# Hypothesis loads its own `ci` profile wherever it detects a CI service.
_ON_CI = settings.get_current_profile_name() == "ci"


def register_profiles() -> None:
    """Register `learner`, `ci` and `nightly`.

    Hypothesis has a profile `ci` built in, with derandomize=True: every run would draw the same
    cases for ever. Ours takes its place under the same name, so that no run can fall back to it.
    """
    # No deadline: a first call compiles or imports a framework. No database outside a learner's
    # machine: what a run drew must follow from its seed alone. `too_slow` measures the machine.
    # Built on `default` by name: on a CI service the profile in force is the one to be replaced.
    default = settings.get_profile("default")
    unhurried = settings(default, deadline=None, print_blob=True, derandomize=False)
    thorough = settings(unhurried, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("learner", unhurried, max_examples=20)
    settings.register_profile("ci", thorough, max_examples=100)
    settings.register_profile("nightly", thorough, max_examples=2000)


register_profiles()
settings.load_profile("ci" if _ON_CI else "learner")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads the option
def pytest_configure(config: pytest.Config) -> None:
    """Draw a seed where none was given, so that every run can be repeated."""
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say the profile, how to repeat the run, and which witnesses are there."""
    profile, seed = settings.get_current_profile_name(), config.getoption("--hypothesis-seed")
    return [
        f"cases: profile {profile}, {settings().max_examples} for each property; again with "
        f"--hypothesis-profile={profile} --hypothesis-seed={seed}",
        f"oracles: {', '.join(_presence(name, needs) for name, needs in WITNESSES.items())}",
    ]


def _presence(name: str, distribution: str) -> str:
    # python-flint is imported as `flint`.
    if util.find_spec(distribution.removeprefix("python-")) is None:
        return f"{name} MISSING (`pip install 'backproof[{distribution}]'`)"
    return f"{name} ({distribution} {metadata.version(distribution)})"
