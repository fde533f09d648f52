"""The command line: words in, one exit code out.

0 agrees; 1 disagrees; 2 the call or the target is broken (one sentence); 3 a promised check was
not made, an oracle died, or too much was inconclusive; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backproof import __version__
from backproof.cli_grade import add_grade
from backproof.cli_session import add_test, split
from backproof.commands import EXIT_CODES, Commands, Help, add_command
from backproof.errors import INTERRUPTED, BackproofError
from backproof.giving_away import HINTS

_ADAPTER = "how the implementation is called (default: my_net_adapter.py beside my_net.py)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    try:
        words, for_pytest = split(sys.argv[1:] if arguments is None else arguments)
        options = _parser().parse_args(words, argparse.Namespace(for_pytest=for_pytest))
        return int(options.command(options))
    except BackproofError as error:
        print(f"backproof: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        said = str(interruption) or "interrupted before anything was judged."
        print(f"backproof: {said}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # `backproof ... | head`: the reader has seen enough
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backproof",
        description="Is this hand-written backprop right, and if not, where?",
        epilog=EXIT_CODES,
        formatter_class=Help,
    )
    parser.add_argument("--version", action="version", version=f"backproof {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_check(commands)
    add_test(commands)
    _add_init(commands)
    _add_smoke(commands)
    add_grade(commands)
    _add_verify(commands)
    _add_replay(commands)
    _add_report(commands)
    return parser


def _add_check(commands: "Commands[argparse.ArgumentParser]") -> None:
    check = add_command(
        commands,
        "check",
        _check,
        help="is this implementation right? the first thing that is wrong, on a net for paper",
        description="Climb the ladder: shapes, one layer, scale, each activation and loss, depth, "
        "batch, bias, update, training, extremes. Each answer is held against the exact "
        "derivative; nothing has a tolerance that somebody chose.",
    )
    check.add_argument(
        "implementation",
        metavar="X",
        help="my_net.py, my_net.py:function, package.module:function, or cmd:./runner",
    )
    check.add_argument("--adapter", type=Path, metavar="FILE", help=_ADAPTER)
    check.add_argument(
        "--strict", action="store_true", help="`close`, and every `should`, fails as well"
    )
    check.add_argument("--all", action="store_true", help="every check with its status")
    check.add_argument(
        "--oracles",
        metavar="NAMES",
        help="who else is asked afterwards: none, or some of torch_autograd, jax_grad, "
        "finite_difference, joined by commas (default: all that are installed)",
    )
    check.add_argument(
        "--hints",
        choices=HINTS,
        default="layer",
        help="what the screen and every file give away: whether it is right (none); which check "
        "breaks first, without numbers (rung); or everything (layer, the default)",
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="everything, for programs")
    check.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML, for a CI")
    check.add_argument("--csv", type=Path, metavar="FILE", help="a row per check, for a table")
    check.add_argument(
        "--html", type=Path, metavar="FILE", help="one page, to open offline or to hand on"
    )
    check.add_argument(
        "--freeze", action="store_true", help="hold what was inferred, in a backproof.toml beside X"
    )


def _add_init(commands: "Commands[argparse.ArgumentParser]") -> None:
    init = add_command(
        commands,
        "init",
        _init,
        help="a file to begin with, or a proposal how an existing one is called",
        description="Write the article's exercise with its picture, three steps to fill in, and "
        "the solution folded away at its end; or, with --from, the adapter of a program that "
        "exists, as far as it can be inferred: look at it, then try `backproof smoke`. "
        "`python -m pydoc backproof.adapters` says all that an adapter can say.",
    )
    init.add_argument("file", nargs="?", type=Path, default=Path("my_net.py"), metavar="FILE",
                      help="what to write (default my_net.py)")  # fmt: skip
    init.add_argument("--from", dest="program", metavar="X", help="propose an adapter for X")


def _add_smoke(commands: "Commands[argparse.ArgumentParser]") -> None:
    smoke = add_command(
        commands,
        "smoke",
        _smoke,
        help="does the adapter work? before anything is judged",
        description="Set the weights and read them back, take one step and see whether anything "
        "moved, ask the same twice. Where that fails it says whether the adapter or the "
        "implementation is at fault; nothing is judged.",
    )
    smoke.add_argument("implementation", metavar="X", help="as in check")
    smoke.add_argument("--adapter", type=Path, metavar="FILE", help=_ADAPTER)


def _add_verify(commands: "Commands[argparse.ArgumentParser]") -> None:
    verify = add_command(
        commands,
        "verify",
        _verify,
        help="put an implementation on trial before every oracle, over many random cases",
        description="Draw cases, let the implementation and every oracle answer them, compare "
        "within proved rounding bounds, and write run.jsonl, CSV and HTML.",
    )
    verify.add_argument(
        "--impl",
        metavar="FILE[:FUNCTION]",
        help="the implementation under test, `backprop(weights, biases, X, Y, activations, loss)` "
        "in a Python file, or cmd:./runner for a program of any language (default: backproof's own "
        "reference_impl)",
    )
    verify.add_argument("--adapter", type=Path, metavar="FILE", help=_ADAPTER)
    verify.add_argument(
        "--cases",
        type=_count,
        default=1000,
        metavar="N",
        help="how many random cases (default 1000)",
    )
    verify.add_argument(
        "--seed", type=_seed, default=0, metavar="S", help="of the random cases (default 0)"
    )
    verify.add_argument(
        "--cases-from",
        type=Path,
        metavar="FILE",
        help="the cases of an earlier run.jsonl, of a list of tokens (.txt, one a line) or of one "
        "case file (.npz), instead of random ones",
    )
    verify.add_argument(
        "--data",
        metavar="NAMES",
        help="also real data, along a training run of the reference: all, or some of digits, "
        "wine, breast_cancer, diabetes, joined by commas",
    )
    verify.add_argument(
        "--oracles",
        metavar="NAMES",
        help="some of torch_autograd, jax_grad, finite_difference, exact, joined by commas "
        "(default: all that are installed; one that is named must be there)",
    )
    verify.add_argument(
        "--out",
        type=Path,
        default=Path("backproof-report"),
        metavar="DIR",
        help="folder for index.html, agreement.csv, summary.csv, run.jsonl "
        "(default backproof-report)",
    )
    verify.add_argument(
        "--resume", action="store_true", help="go on with the run that was stopped in --out"
    )
    verify.add_argument(
        "--rows",
        choices=("worst", "all"),
        default="worst",
        help="layers and parameters in agreement.csv: of the worst cases and all that do not "
        "agree (default), or of all cases",
    )


def _add_replay(commands: "Commands[argparse.ArgumentParser]") -> None:
    replay = add_command(
        commands,
        "replay",
        _replay,
        help="one case again, all sides next to each other",
        description="Answer one case again with the implementation and every oracle, and print "
        "their numbers next to each other.",
    )
    replay.add_argument("token", help="from a report or a log, or a case file (.npz)")
    replay.add_argument("--impl", metavar="FILE[:FUNCTION]", help="as in verify")
    replay.add_argument("--adapter", type=Path, metavar="FILE", help=_ADAPTER)
    replay.add_argument("--oracles", metavar="NAMES", help="as in verify")
    replay.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the run's folder, where a file:... token finds its case file",
    )


def _add_report(commands: "Commands[argparse.ArgumentParser]") -> None:
    report = add_command(
        commands,
        "report",
        _report,
        help="CSV and HTML again, from a run.jsonl",
        description="Make agreement.csv, summary.csv and index.html from a run.jsonl.",
        epilog=None,
    )
    report.add_argument("run", type=Path, help="a run.jsonl, or the folder it stands in")
    report.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: beside the run)"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 10**7:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cases; use 0 to 10000000")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; use 0 to 4294967295")
    return int(text)


def _check(options: argparse.Namespace) -> int:
    from backproof import suite

    suite.load_suite()
    from property_tests import check_command

    return check_command.run(options)


def _init(options: argparse.Namespace) -> int:
    from backproof import starter

    if options.program is None:
        starter.write_exercise(options.file)
        print(f"wrote {options.file}: fill in its three steps, then backproof check {options.file}")
        return 0
    path = starter.write_adapter(options.program)
    if path is None:
        print(f"{options.program} needs no adapter: backproof check {options.program}")
    else:
        print(f"wrote {path}:\n\n{path.read_text(encoding='utf-8')}")
        print(
            f"a proposal; look whether it is what you mean, then backproof smoke {options.program}"
        )
    return 0


def _smoke(options: argparse.Namespace) -> int:
    from backproof.program import PREFIX
    from backproof.target import Target

    with Target(options.implementation, adapter=options.adapter) as target:
        problems = target.smoke()
        program = options.implementation.startswith(PREFIX)
        plain = "as a program of its own" if program else "as a function on the contract"
        what = "the adapter" if target.adapted else "the program" if program else "the function"
        print(f"called: {target.adapted or plain}")
        for problem in problems:
            print(f"it does not work yet: {problem}")
        if problems and not target.adapted:
            print("no adapter is in between: the implementation is at fault")
        if not problems:
            print(f"{what} works: backproof check judges the implementation")
    return 2 if problems else 0


def _verify(options: argparse.Namespace) -> int:
    from backproof import suite, terminal

    suite.load_suite()
    from property_tests import verification

    screen = terminal.Screen()
    run, paths = verification.verify(
        verification.Plan(
            impl=options.impl,
            adapter=options.adapter,
            cases=options.cases,
            seed=options.seed,
            cases_from=options.cases_from,
            data=options.data,
            oracles=options.oracles,
            out=options.out,
            resume=options.resume,
            rows_all=options.rows == "all",
        ),
        screen,
    )
    screen.verdict(run, paths)
    assert run.footer is not None
    return run.footer.exit_code


def _replay(options: argparse.Namespace) -> int:
    from backproof import suite, terminal

    suite.load_suite()
    from property_tests import replaying

    replayed = replaying.replay(
        options.token, options.impl, options.oracles, options.out, options.adapter
    )
    terminal.Screen().replay(replayed)
    return replayed.exit_code


def _report(options: argparse.Namespace) -> int:
    from backproof import runfile, suite, terminal

    suite.load_suite()
    from reports import write_reports

    path = options.run / runfile.NAME if options.run.is_dir() else options.run
    run = runfile.read_run(path)
    paths = write_reports(run, options.out or path.parent)
    terminal.Screen().verdict(run, paths)
    return run.footer.exit_code if run.footer else 3
