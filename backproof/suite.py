"""Where the suite's own folders are, and that nobody else's stand in their place.

`oracles` and `reports` are common names. In a wheel they live inside this package (`_suite/`), in
a clone beside it; either way this process puts that folder first on its own path and then looks
whether what it would import really lies there.
"""

import importlib.util
import sys
from pathlib import Path

from backproof.errors import BackproofError

PACKAGES = ("reference_impl", "oracles", "property_tests", "reports")


def suite_root() -> Path:
    """The folder that holds the suite's packages."""
    inside = Path(__file__).parent / "_suite"
    return inside if inside.is_dir() else Path(__file__).parent.parent


def load_suite() -> None:
    """Make the suite importable in this process.

    Raises BackproofError where a package of the same name from elsewhere would be imported.
    """
    root = suite_root().resolve()
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise BackproofError(f"`{name}` is missing from {root}; install backproof again.")
        if root not in Path(spec.origin).resolve().parents:
            raise BackproofError(
                f"`{name}` would be imported from {spec.origin}, which is not backproof's; "
                "start backproof in a process of its own."
            )
