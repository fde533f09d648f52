"""`backproof verify` from end to end: bytes, interruption, resumption, bad input.

The runs are small, but whole: every side, run.jsonl, CSV and HTML.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backproof import cli, runfile
from backproof.suite import suite_root

FILES = ("run.jsonl", "agreement.csv", "summary.csv", "index.html")
FAST = ("--oracles", "torch_autograd")
CASES = 520  # two whole blocks and a rest


def verify(*options: object) -> int:
    return cli.main(["verify", *map(str, options)])


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


# Whoever is started in the background ignores Ctrl-C; a command at a prompt does not.
HEARS_CTRL_C = """\
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("backproof", run_name="__main__", alter_sys=True)
"""


def started(*options: object) -> subprocess.Popen[str]:
    """`backproof verify` in a process of its own, to be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, "verify", *map(str, options)],
        cwd=suite_root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_results(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the first block of results is on disk (and the run is not over)."""
    for _ in range(6000):
        if path.exists() and '"kind":"result"' in path.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no result within five minutes")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its end."""
    folder = tmp_path_factory.mktemp("whole")
    assert verify("--cases", CASES, "--seed", 7, "--out", folder, *FAST) == 0
    return folder


def test_the_reference_agrees_in_every_check_that_was_promised(whole: Path) -> None:
    run = runfile.read_run(whole / "run.jsonl")

    assert run.footer is not None
    assert run.footer.complete
    assert (run.footer.disagreements, run.footer.oracle_disagreements) == (0, 0)
    assert run.footer.made == run.footer.promised == CASES
    assert len(run.results) == CASES


def test_the_same_command_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    verify("--cases", CASES, "--seed", 7, "--out", tmp_path, *FAST)

    assert contents(tmp_path) == contents(whole)


def test_another_seed_gives_other_cases(whole: Path, tmp_path: Path) -> None:
    verify("--cases", 20, "--seed", 8, "--out", tmp_path, *FAST)

    mine, theirs = (runfile.read_run(f / "run.jsonl").cases[:20] for f in (tmp_path, whole))
    assert [line.token for line in mine] != [line.token for line in theirs]


def test_a_run_killed_in_the_middle_resumes_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    options = ("--cases", CASES, "--seed", 7, "--out", tmp_path, *FAST)
    process = started(*options)
    wait_for_results(tmp_path / "run.jsonl", process)
    process.kill()
    process.communicate()  # closes the pipes

    assert verify(*options, "--resume") == 0
    assert contents(tmp_path) == contents(whole)


def test_a_line_cut_in_half_is_judged_again(whole: Path, tmp_path: Path) -> None:
    lines = (whole / "run.jsonl").read_text().splitlines(keepends=True)
    kept = "".join(lines[: 1 + CASES + 300])
    (tmp_path / "run.jsonl").write_text(kept[:-40])

    assert verify("--cases", CASES, "--seed", 7, "--out", tmp_path, *FAST, "--resume") == 0
    assert contents(tmp_path) == contents(whole)


def test_ctrl_c_keeps_what_was_computed_and_marks_it_incomplete(tmp_path: Path) -> None:
    process = started("--cases", 5000, "--seed", 7, "--out", tmp_path, *FAST)
    wait_for_results(tmp_path / "run.jsonl", process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)

    run = runfile.read_run(tmp_path / "run.jsonl")
    assert process.returncode == 130
    assert run.footer is not None
    assert not run.footer.complete
    assert run.results
    assert f"interrupted after {len(run.results)} of 5000 cases" in out
    assert "The run is not whole." in (tmp_path / "index.html").read_text()


def test_resuming_another_run_is_refused_and_loses_nothing(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.jsonl").write_bytes((whole / "run.jsonl").read_bytes())

    assert verify("--cases", CASES, "--seed", 8, "--out", tmp_path, *FAST, "--resume") == 2
    assert "holds another run (its `seed` is 7, not 8)" in capsys.readouterr().err
    assert (tmp_path / "run.jsonl").read_bytes() == (whole / "run.jsonl").read_bytes()


def test_the_cases_of_a_run_can_be_judged_again(whole: Path, tmp_path: Path) -> None:
    assert verify("--cases-from", whole / "run.jsonl", "--out", tmp_path, *FAST) == 0

    again, before = (runfile.read_run(f / "run.jsonl") for f in (tmp_path, whole))
    assert again.header.cases_sha256 == before.header.cases_sha256
    assert again.results == before.results


def test_report_makes_the_same_files_from_the_run_alone(whole: Path, tmp_path: Path) -> None:
    assert cli.main(["report", str(whole), "--out", str(tmp_path)]) == 0

    for name in FILES[1:]:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_rows_all_has_every_layer_of_every_case(tmp_path: Path) -> None:
    oracles = ("--oracles", "torch_autograd,finite_difference")
    verify("--cases", 5, "--out", tmp_path, *oracles, "--rows", "all")

    run = runfile.read_run(tmp_path / "run.jsonl")
    for line, result in zip(run.cases, run.results, strict=True):
        arrays = len(line.activations) * (1 if line.bias == "none" else 2)
        assert [len(pair.parameters) for pair in result.pairs] == [2 * arrays] * 3


def test_real_data_is_judged_along_a_training_run(tmp_path: Path) -> None:
    assert verify("--cases", 0, "--data", "all", "--out", tmp_path, *FAST) == 0

    run = runfile.read_run(tmp_path / "run.jsonl")
    assert len(run.cases) == 4 * 3 * 2
    assert {line.origin.partition(":")[0] for line in run.cases} == set(run.header.data)
    for line in run.cases:
        assert (tmp_path / "cases" / f"{line.token.removeprefix('file:')}.npz").is_file()


BAD_CALLS = {
    "an unknown oracle": (("--oracles", "tensorflow"), "`--oracles` has 'tensorflow'; use some of"),
    "unknown data": (("--data", "mnist"), "`--data` has 'mnist'; use all, or some of digits"),
    "no implementation": (("--impl", "no_such_net.py"), "no_such_net.py"),
    "no case list": (("--cases-from", "no_such_run.jsonl"), "no_such_run.jsonl does not exist"),
    "no case file": (("--cases-from", "no_such_case.npz"), "no_such_case.npz does not exist"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_a_bad_call_is_one_clear_sentence(
    call: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = BAD_CALLS[call]

    assert verify(*options, "--cases", 1, "--out", tmp_path) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "Error" not in line]
    assert message in said[-1]
    assert said[-1].startswith("backproof: ")


def test_a_truncated_or_foreign_case_list_is_refused(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, foreign = tmp_path / "cut.jsonl", tmp_path / "foreign.jsonl"
    cut.write_bytes((whole / "run.jsonl").read_bytes()[:-30])
    foreign.write_text(json.dumps({"kind": "wheel"}) + "\n")

    for path, message in ((cut, "is cut off or no JSON"), (foreign, "has no known `kind`")):
        assert verify("--cases-from", path, "--out", tmp_path / "out") == 2
        assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")

    assert verify("--cases", 1, "--out", tmp_path / "file") == 2
    assert "`--out`" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the platform has no such limit")
def test_a_full_disk_is_said_and_loses_nothing(whole: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the write fails the same way."""
    limit = (whole / "run.jsonl").stat().st_size // 2
    options = ("--cases", CASES, "--seed", 7, "--out", tmp_path, *FAST)
    process = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(limit), *map(str, options)],
        cwd=suite_root(),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    assert process.returncode == 2, process.stderr
    assert "run.jsonl cannot be written" in process.stderr
    assert "Traceback" not in process.stderr
    assert verify(*options, "--resume") == 0
    assert contents(tmp_path) == contents(whole)


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from backproof.cli import main
sys.exit(main(["verify", *sys.argv[2:]]))
"""
