"""What a check is asked of: one request, from whichever door it comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backproof.settings import Settings


@dataclass(frozen=True)
class Request:
    """What is asked, of what.

    spec: as on the command line   adapter: its file, where one was named
    function: judged in this process; `spec` is then only what it is called
    """

    spec: str
    adapter: Path | None = None
    strict: bool = False
    settings: Settings = field(default_factory=Settings)
    function: Callable[..., Any] | None = None
