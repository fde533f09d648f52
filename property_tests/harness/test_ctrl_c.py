"""Ctrl-C before anything has begun: a sentence, exit code 130 and no traceback."""

import subprocess
import sys
import textwrap

import pytest

from backproof.suite import suite_root

# Ctrl-C comes while a module is looked for; whoever looks may swallow every exception.
PRESSED = """\
import os, runpy, signal, sys
signal.signal(signal.SIGINT, {heard})

class Finger:
    def find_spec(self, name, *_):
        if name == {name!r}:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000):
                    pass
            except BaseException:
                {then}

sys.meta_path.insert(0, Finger())
sys.argv = ["backproof", *{words!r}]
runpy.run_module("backproof", run_name="__main__", alter_sys=True)
"""


def pressed(name: str, then: str, *words: str, heard: str = "signal.default_int_handler"
            ) -> subprocess.CompletedProcess[str]:  # fmt: skip
    source = PRESSED.format(name=name, then=then, words=words, heard=heard)
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=suite_root(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("then", ["raise", "pass"], ids=["goes up", "is swallowed"])
@pytest.mark.parametrize("name", ["argparse", "backproof.cli", "backproof.commands"])
def test_ctrl_c_while_the_command_line_is_imported_ends_it(name: str, then: str) -> None:
    found = pressed(name, then, "--version")
    assert (found.returncode, found.stdout) == (130, "")
    assert found.stderr == "backproof: interrupted before anything was judged.\n"


@pytest.mark.parametrize("name", ["numpy", "flint", "property_tests.check_run"])
def test_ctrl_c_while_the_suite_is_imported_ends_it(name: str) -> None:
    found = pressed(name, "raise", "check", "examples/my_net.py")
    assert (found.returncode, found.stdout) == (130, "")
    assert found.stderr == "backproof: interrupted before anything was judged.\n"


def test_who_does_not_hear_ctrl_c_goes_on() -> None:
    """As behind `&` in a shell script."""
    found = pressed("argparse", "raise", "--version", heard="signal.SIG_IGN")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("backproof ")


def test_ctrl_c_is_heard_as_always_once_the_command_runs() -> None:
    source = textwrap.dedent("""\
        import signal, sys
        from backproof import __main__, cli
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cli.main = lambda: signal.getsignal(signal.SIGINT) is signal.default_int_handler
        sys.exit(not __main__.main())
        """)
    subprocess.run([sys.executable, "-c", source], cwd=suite_root(), check=True)
