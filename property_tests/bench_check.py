"""How long a learner waits for `backproof check`, beside `python -c "import torch, jax"`."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from backproof.errors import BackproofError

ROOT = Path(__file__).resolve().parent.parent
_CHECK = [sys.executable, "-m", "backproof", "check", str(ROOT / "examples" / "my_net.py")]
_IMPORTS = [sys.executable, "-c", "import torch, jax"]


def waits(turns: int) -> Iterator[tuple[str, float, float, float, float]]:
    """(what, seconds, T, ratio to T, the most it may be), T being the import of torch and jax.

    The first verdict comes from exact arithmetic, before any framework is imported; everything
    includes what PyTorch and JAX say, with and without a compile cache from an earlier process.
    """
    names = ("check: the first verdict", "check: everything, no compile cache",
             "check: everything, warm compile cache")  # fmt: skip
    found: list[list[float]] = [[], [], []]
    T = []
    for _ in range(turns):
        T.append(_import_time())
        with tempfile.TemporaryDirectory() as cache:
            first, cold = _check(Path(cache))
            again, warm = _check(Path(cache))
        for seconds, taken in zip(found, (max(first, again), cold, warm), strict=True):
            seconds.append(taken)
    for name, seconds, most in zip(names, found, (0.5, 5.0, 3.0), strict=True):
        ratio = median(a / b for a, b in zip(seconds, T, strict=True))
        yield name, median(seconds), median(T), ratio, most


def _import_time() -> float:
    start = time.perf_counter()
    if subprocess.run(_IMPORTS, cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode:
        raise BackproofError("torch and jax are measured against, and cannot be imported.")
    return time.perf_counter() - start


def _check(cache: Path) -> tuple[float, float]:
    """Seconds to the first line of stdout, and to the end."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache)}
    start = time.perf_counter()
    with subprocess.Popen(
        _CHECK, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = time.perf_counter() - start
        rest = process.stdout.read()
    if process.returncode or not line.startswith(b"linear.layer: pass") or b"torch_" not in rest:
        raise BackproofError(f"`check` of the bench ended with {process.returncode}: {line!r}")
    return first, time.perf_counter() - start
