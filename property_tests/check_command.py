"""`backproof check` between the command line and the ladder: settings, output, files.

What cannot be written is said before anything is asked; each file is whole or as it was before.
"""

import argparse
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

from backproof import junit
from backproof.checked import Checked
from backproof.conventions import Factors
from backproof.errors import BackproofError
from backproof.giving_away import shown
from backproof.lasting import lasting
from backproof.outputs import cannot_be_written, expect_writable, write_whole
from backproof.runfile import plain
from backproof.settings import NAME, Settings, frozen, settings_for
from backproof.terminal import Screen
from backproof.terminal_check import Live
from property_tests import check_run
from property_tests.sides import names_in


def run(options: argparse.Namespace) -> int:
    """Check one implementation; the exit code."""
    if options.all and options.hints == "none":
        raise BackproofError(
            "`--all` names every check, `--hints none` none; leave one of them out."
        )
    oracles = _witnesses(options.oracles)
    files = {f"--{name}": path for name in FORMS if (path := getattr(options, name)) is not None}
    expect_writable(files)
    to_freeze = _to_freeze(options.implementation) if options.freeze else None
    request = check_run.Request(
        spec=options.implementation,
        adapter=options.adapter,
        strict=options.strict,
        settings=settings_of(options.implementation),
    )
    replay = replay_of(options.implementation, options.adapter)
    live = Live(Screen().out, replay=replay, everything=options.all, hints=options.hints)
    checked, climb = check_run.check(request, live.saw)
    live.end(checked)
    checked = replace(checked, witnesses=check_run.witnesses(climb.judged, oracles, live.heard))
    for option, path in files.items():
        _to(path, _text(option, options, lasting(checked)), option)
    if to_freeze is not None:
        live.say(_freeze(to_freeze, climb.trial.factors))
    return checked.exit_code


FORMS = ("json", "junit", "csv", "html")


def _text(option: str, options: argparse.Namespace, checked: Checked) -> str:
    """What goes into the file of an option; the same run gives the same bytes.

    No file gives away more than `--hints` allows: whoever may see one of them may see all.
    """
    seen = shown(checked, options.hints)
    match option:
        case "--json":
            return json.dumps(plain(seen), indent=1, ensure_ascii=False) + "\n"
        case "--junit":
            return junit.text_of(seen)
        case "--csv":
            from reports.check_table import check_csv

            return check_csv(seen)
    from reports.check_page import check_page

    words = ["backproof", "check", options.implementation, *_adapter(options.adapter)]
    words += ["--strict"] if options.strict else []
    words += ["--hints", options.hints] if options.hints != "layer" else []
    replay = replay_of(options.implementation, options.adapter)
    return check_page(checked, words, replay, options.hints)


def _witnesses(text: str | None) -> list[str] | None:
    """Names with commas; none for nobody, None for all that are installed."""
    return [] if text == "none" else names_in(text)


def _file_of(spec: str) -> Path | None:
    """The file that an implementation stands in, if it is named by one."""
    for path in (Path(spec), Path(spec.rpartition(":")[0] or spec)):
        if os.path.isfile(path):  # what is no name of a file at all is said by who loads it
            return path
    return None


def settings_of(spec: str) -> Settings:
    """The settings that hold for an implementation. Raises BackproofError."""
    file = _file_of(spec)
    return settings_for(file if file is not None else Path.cwd() / "here")


def replay_of(spec: str, adapter: Path | None = None) -> str:
    """The command that shows a case again, with {token} for the case."""
    words = ["--impl", spec, *_adapter(adapter)]
    return f"backproof replay {{token}} {shlex.join(words).replace('{', '{{').replace('}', '}}')}"


def _adapter(adapter: Path | None) -> list[str]:
    return [] if adapter is None else ["--adapter", str(adapter)]


def _to(path: Path, text: str, option: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise cannot_be_written(option, path, error) from None


def _to_freeze(spec: str) -> Path:
    """The file that --freeze writes. Raises BackproofError where it is there already."""
    file = _file_of(spec)
    path = (Path.cwd() if file is None else file.resolve().parent) / NAME
    if path.exists():
        raise BackproofError(f"{path} is there already; edit it, or remove it first.")
    expect_writable({"--freeze": path})
    return path


def _freeze(path: Path, factors: Factors) -> str:
    _to(path, frozen(factors), "--freeze")
    return f"wrote {path}: from now on the answers must be {factors} times the derivative"
