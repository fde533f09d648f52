"""JAX compiles once per box and dtype, the next process not at all, and nothing leaks out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oracles import jax_cache
from oracles.jax_cache import CacheWarning, Compilations, persistent_cache
from oracles.jax_grad import JaxGrad, compilations
from oracles.jax_program import BOXES
from property_tests.space import sampled_case

ROOT = Path(__file__).parents[2]

jax = pytest.importorskip("jax")

# Every program XLA made or loaded in a process, reported by JAX itself and not by our counter.
NEW_PROCESS = """
import jax
made, hits = [], []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **kw: made.append(event) if "backend_compile" in event else None)
jax.monitoring.register_event_listener(
    lambda event, **kw: hits.append(event) if event.endswith("/cache_hits") else None)
from oracles.jax_grad import JaxGrad, compilations
from property_tests.space import sampled_case, Claims
only = Claims(dtypes=("float64",))
JaxGrad().gradients_of([sampled_case(1, i, size="standard", claims=only) for i in range(100)])
print(len(made), len(hits), compilations.compiled, compilations.loaded)
"""


def in_a_new_process(code: str, **environment: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_importing_the_oracles_imports_no_framework() -> None:
    code = (
        "import sys, oracles, oracles.torch_autograd, oracles.jax_grad, oracles.jax_cache\n"
        "print(*({'torch', 'jax', 'jaxlib'} & set(sys.modules)), 'end')"
    )
    assert in_a_new_process(code) == ["end"]


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    places = {name: str(tmp_path) for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA")}

    assert in_a_new_process(NEW_PROCESS, **places) == ["1", "0", "1", "0"]
    assert in_a_new_process(NEW_PROCESS, **places) == ["1", "1", "0", "1"]


def test_new_architectures_compile_nothing() -> None:
    cases = [sampled_case(21, index) for index in range(120)]
    side = JaxGrad()
    side.gradients_of(cases)
    events: list[str] = []

    def listen(event: str, seconds: float, **details: Any) -> None:
        events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.jit(lambda x: x * 2.5)(1.0)
        assert [event for event in events if "backend_compile" in event]  # the listener hears
        events.clear()
        side.gradients_of([sampled_case(22, index) for index in range(200)])
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)

    assert events == []
    assert compilations.compiled + compilations.loaded >= 1


def test_no_setting_of_jax_is_left_changed() -> None:
    names = [
        "jax_enable_x64",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_raise_persistent_cache_errors",
        "jax_default_device",
    ]
    before = {name: getattr(jax.config, name) for name in names}
    JaxGrad().gradients_of([sampled_case(23, index) for index in range(4)])
    with persistent_cache(Compilations()):
        _compile(3.0)

    assert {name: getattr(jax.config, name) for name in names} == before
    assert jax.numpy.ones(1).dtype == "float32"


def _compile(number: float) -> float:
    """A small program, compiled anew each time: what JAX keeps in memory is dropped first."""
    jax.clear_caches()
    compiled = jax.jit(lambda x: x * number + 1.0).lower(1.0).compile()
    return float(compiled(2.0))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jax_cache, "cache_folder", lambda: tmp_path / "backproof" / "jax")
    return tmp_path / "backproof" / "jax"


def test_programs_are_counted_and_found_again(folder: Path) -> None:
    counted = Compilations()
    for _ in range(2):
        with persistent_cache(counted):
            assert _compile(5.0) == 11.0

    assert (counted.compiled, counted.loaded) == (1, 1)
    assert len(list(folder.glob("*-cache"))) == 1
    assert folder.stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_what_the_user_compiles_does_not_land_in_our_folder(folder: Path) -> None:
    with persistent_cache(Compilations()):
        _compile(6.0)
    _compile(7.0)

    assert len(list(folder.glob("*-cache"))) == 1


def test_a_folder_that_cannot_be_written_only_warns(folder: Path) -> None:
    folder.parent.write_text("a file where the folder should be")
    counted = Compilations()

    with (
        pytest.warns(CacheWarning, match=r"^The cache folder for JAX cannot be used \(.*\.$"),
        persistent_cache(counted),
    ):
        assert _compile(8.0) == 17.0

    assert (counted.compiled, counted.loaded) == (1, 0)


def test_a_broken_program_is_removed_and_made_again(folder: Path) -> None:
    with persistent_cache(Compilations()):
        _compile(9.0)
    (entry,) = folder.glob("*-cache")
    entry.write_bytes(entry.read_bytes()[:100])
    counted = Compilations()

    with pytest.warns(CacheWarning, match="was broken") as caught, persistent_cache(counted):
        assert _compile(9.0) == 19.0
    with persistent_cache(counted):
        _compile(9.0)
    with persistent_cache(counted):
        _compile(9.0)

    assert len(caught) == 1
    assert (counted.compiled, counted.loaded) == (2, 1)


def test_a_cache_that_the_user_chose_is_left_alone(folder: Path, tmp_path: Path) -> None:
    theirs = str(tmp_path / "theirs")
    jax.config.update("jax_compilation_cache_dir", theirs)
    try:
        with persistent_cache(Compilations()):
            _compile(10.0)
        assert jax.config.jax_compilation_cache_dir == theirs
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", ""),
        ("win32", "LOCALAPPDATA", ""),
        ("darwin", "HOME", "Library/Caches"),
    ],
)
def test_the_folder_follows_the_platform(
    system: str, variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv(variable, str(tmp_path))

    machine = jax_cache.cache_folder()

    assert machine.parent == tmp_path / expected / "backproof" / "jax"
    assert len(machine.name) == 16


def test_a_relative_cache_home_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")

    assert jax_cache.cache_folder().is_relative_to(Path.home() / ".cache")


def test_every_case_fits_a_box() -> None:
    from backproof.names import MAX_BATCH, MAX_DEPTH, MAX_WIDTH

    last = BOXES[-1]
    assert (last.depth, last.width, last.rows) == (MAX_DEPTH, MAX_WIDTH, MAX_BATCH)
