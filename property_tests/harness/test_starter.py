"""What `backproof init` writes: it runs, says what is left to do, and its solution is right."""

from pathlib import Path

import pytest

from backproof import cli, starter
from property_tests.check_run import Request, check


def test_the_solution_is_right(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(starter.solved(path.name), encoding="utf-8")
    checked, climb = check(Request(str(path)))
    assert checked.exit_code == 0
    assert climb.trial.not_exactly == ""
    assert checked.claims["activations"] == ("2/11", "identity", "sigmoid")


def test_the_exercise_says_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init"]) == 0
    assert "wrote my_net.py: fill in its three steps" in capsys.readouterr().out
    assert cli.main(["check", "my_net.py"]) == 2
    assert "NotImplementedError: step 1: Z and O of this layer" in capsys.readouterr().err
    assert cli.main(["init"]) == 2
    assert capsys.readouterr().err == (
        "backproof: my_net.py is there already; name another file.\n"
    )


def test_every_gap_is_in_the_exercise_and_its_solution_is_folded_away(tmp_path: Path) -> None:
    text, solved = starter.exercise("x.py"), starter.solved("x.py")
    code, _, folded = text.partition("# region")
    for _, what, lines in starter.GAPS:
        assert starter.TODO.format(what) in code
        assert starter.TODO.format(what) not in solved
        for line in lines:
            assert line in folded
            assert line in solved
            assert line not in code


def test_a_wrong_solution_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    right = starter.solved(path.name)
    wrong = right.replace(
        "error = delta @ weights[layer].T", "error = delta @ weights[layer].T * 2"
    )
    assert wrong != right
    path.write_text(wrong, encoding="utf-8")
    first = check(Request(str(path)))[0].first_broken
    assert first is not None
    assert first.check.id == "activation.identity"


STYLES = Path(__file__).resolve().parents[2] / "examples" / "styles"


def test_init_from_a_program_writes_the_adapter_that_check_would_infer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text((STYLES / "trains_in_place.py").read_text())
    assert cli.main(["check", "my_net.py", "--oracles", "none"]) == 0
    assert "called: through an adapter that was inferred" in capsys.readouterr().out
    assert cli.main(["init", "--from", "my_net.py"]) == 0
    told = capsys.readouterr().out
    written = Path("my_net_adapter.py").read_text()
    assert written in told
    assert len([line for line in written.splitlines() if line.strip()]) <= 10
    assert cli.main(["smoke", "my_net.py"]) == 0
    assert cli.main(["check", "my_net.py", "--oracles", "none"]) == 0
    assert "called: through my_net_adapter.py" in capsys.readouterr().out
    assert cli.main(["init", "--from", "my_net.py"]) == 0  # it has one now
    assert "needs no adapter" in capsys.readouterr().out


def test_smoke_tells_a_broken_adapter_from_a_wrong_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text((STYLES / "updated_too_early.py").read_text())
    adapter = (STYLES / "updated_too_early_adapter.py").read_text()
    Path("my_net_adapter.py").write_text(adapter)
    assert cli.main(["smoke", "my_net.py"]) == 0  # wrong, but reached
    capsys.readouterr()
    Path("my_net_adapter.py").write_text(adapter.replace('"W{l}"', '"V{l}"'))
    assert cli.main(["smoke", "my_net.py"]) == 2
    assert "V1" in "".join(capsys.readouterr())
