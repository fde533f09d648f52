"""`backproof check` between the command line and the ladder: settings, output, files."""

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path

from backproof import junit
from backproof.checked import Checked
from backproof.conventions import Factor
from backproof.errors import BackproofError
from backproof.runfile import plain
from backproof.settings import NAME, Settings, frozen, settings_for
from backproof.terminal import Screen
from backproof.terminal_check import Live
from property_tests import check_run
from property_tests.sides import names_in


def run(options: argparse.Namespace) -> int:
    """Check one implementation; the exit code."""
    oracles = _witnesses(options.oracles)
    request = check_run.Request(
        spec=options.implementation,
        adapter=options.adapter,
        strict=options.strict,
        settings=settings_of(options.implementation),
    )
    replay = replay_of(options.implementation, options.adapter)
    live = Live(Screen().out, replay=replay, everything=options.all)
    checked, climb = check_run.check(request, live.saw)
    live.end(checked)
    checked = replace(checked, witnesses=check_run.witnesses(climb.judged, oracles, live.heard))
    _write(options, checked)
    if options.freeze:
        live.say(_freeze(options.implementation, climb.trial.factor))
    return checked.exit_code


def _witnesses(text: str | None) -> list[str] | None:
    """Names with commas; none for nobody, None for all that are installed."""
    return [] if text == "none" else names_in(text)


def _file_of(spec: str) -> Path | None:
    """The file that an implementation stands in, if it is named by one."""
    for path in (Path(spec), Path(spec.rpartition(":")[0] or spec)):
        if path.is_file():
            return path
    return None


def settings_of(spec: str) -> Settings:
    """The settings that hold for an implementation. Raises BackproofError."""
    file = _file_of(spec)
    return settings_for(file if file is not None else Path.cwd() / "here")


def replay_of(spec: str, adapter: Path | None = None) -> str:
    """The command that shows a case again, with {token} for the case."""
    words = ["--impl", spec]
    if adapter is not None:
        words += ["--adapter", str(adapter)]
    return f"backproof replay {{token}} {shlex.join(words).replace('{', '{{').replace('}', '}}')}"


def _write(options: argparse.Namespace, checked: Checked) -> None:
    if options.json is not None:
        text = json.dumps(plain(checked), indent=1, ensure_ascii=False)
        _to(options.json, text + "\n", "--json")
    if options.junit is not None:
        _to(options.junit, junit.text_of(checked), "--junit")


def _to(path: Path, text: str, option: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BackproofError(f"`{option}` {path} cannot be written: {error.strerror}.") from None


def _freeze(spec: str, factor: Factor) -> str:
    file = _file_of(spec)
    path = (Path.cwd() if file is None else file.resolve().parent) / NAME
    if path.exists():
        raise BackproofError(f"{path} is there already; edit it, or remove it first.")
    _to(path, frozen(factor), "--freeze")
    return f"wrote {path}: from now on the answers must be {factor} times the derivative"
