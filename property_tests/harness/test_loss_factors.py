"""A loss may have a constant of its own, of 2 and the number of outputs: a convention, held.

Everything else that one loss has and others have not is a mistake of its own check.
"""

from pathlib import Path

import pytest

from backproof import cli
from backproof.checked import Checked
from backproof.conventions import Factor, Factors
from backproof.errors import BackproofError
from backproof.request import Request
from backproof.settings import Settings, settings_for
from property_tests.check_run import check
from property_tests.planted import EXAMPLE, PLANTED, write_planted

SQUARES = "2 * (O - Y) / k"


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    source = EXAMPLE.read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    target = folder / "my_net.py"
    target.write_text(source, encoding="utf-8")
    return target


def checked_of(target: Path, settings: Settings | None = None) -> Checked:
    return check(Request(str(target), settings=settings or Settings()))[0]


@pytest.mark.parametrize(
    ("new", "factor", "said"),
    [
        ("(O - Y) / k", Factor(two=-1), "1/2"),
        ("2 * (O - Y)", Factor(outputs=1), "k"),
        ("O - Y", Factor(two=-1, outputs=1), "k/2"),
    ],
)
def test_the_constant_of_one_loss_is_a_convention(
    new: str, factor: Factor, said: str, tmp_path: Path
) -> None:
    checked, climb = check(Request(str(written(tmp_path, (SQUARES, new)))))
    assert checked.exit_code == 0, checked.first_broken
    assert climb.trial.factors == Factors(Factor(), {"mean_squared_error": factor})
    told = checked.conventions["factor of mean_squared_error"]
    assert told == f"the gradient is {said} times the derivative (seen in 3 cases)"


@pytest.mark.parametrize(
    ("name", "loss", "said"),
    [
        ("squared_error_factor", "mean_squared_error", "1/2"),
        ("cross_entropy_outputs", "binary_cross_entropy", "k"),
    ],
)
def test_what_the_oracles_call_wrong_is_named(
    name: str, loss: str, said: str, tmp_path: Path
) -> None:
    bug = next(bug for bug in PLANTED if bug.name == name)
    checked = checked_of(write_planted(bug, tmp_path))
    assert checked.exit_code == 0, checked.first_broken
    assert checked.conventions[f"factor of {loss}"].startswith(f"the gradient is {said} times")


def test_it_stands_beside_the_constant_of_all(tmp_path: Path) -> None:
    doubled = ("    return dW, db", "    return [2 * W for W in dW], [2 * b for b in db]")
    target = written(tmp_path, (SQUARES, "(O - Y) / k"), doubled)
    checked, climb = check(Request(str(target)))
    assert checked.exit_code == 0, checked.first_broken
    assert climb.trial.factors == Factors(Factor(two=1), {"mean_squared_error": Factor()})
    assert checked.conventions["factor"].startswith("the gradient is 2 times")
    assert checked.conventions["factor of mean_squared_error"].startswith("the gradient is 1 times")


@pytest.mark.parametrize(
    "new",
    [
        "2 * (O - Y) / len(O)",  # the rows, where other losses have their sum
        "2 * (Y - O) / k",  # uphill, for this loss alone
        "3 * (O - Y) / k",  # nobody's convention
        "2 * (O - Y) ** 3 / k",  # no constant at all
    ],
)
def test_anything_else_of_one_loss_is_a_mistake(new: str, tmp_path: Path) -> None:
    checked = checked_of(written(tmp_path, (SQUARES, new)))
    assert checked.first_broken is not None
    assert checked.first_broken.check.id == "loss.mean_squared_error.identity"
    assert not any(name.startswith("factor of") for name in checked.conventions)


def test_it_is_frozen_and_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = written(tmp_path, (SQUARES, "(O - Y) / k"))
    words = ["check", str(target), "--oracles", "none"]
    assert cli.main([*words, "--freeze"]) == 0
    assert "must be 1, 1/2 for mean_squared_error times the derivative" in capsys.readouterr().out
    frozen = Factors(Factor(), {"mean_squared_error": Factor(two=-1)})
    assert settings_for(target).factors == frozen
    assert cli.main(words) == 0
    assert "(held by backproof.toml)" in capsys.readouterr().out
    written(tmp_path)  # right, but no longer what was frozen
    assert cli.main(words) == 1
    assert "loss.mean_squared_error.identity breaks first" in capsys.readouterr().out


def test_a_task_that_fixes_the_constant_allows_no_other(tmp_path: Path) -> None:
    (tmp_path / "backproof.toml").write_text("[conventions]\nfactor = {}\n")
    target = written(tmp_path, (SQUARES, "(O - Y) / k"))
    checked = checked_of(target, settings_for(target))
    assert checked.first_broken is not None
    assert checked.first_broken.check.id == "loss.mean_squared_error.identity"


def test_a_loss_that_there_is_not_is_said(tmp_path: Path) -> None:
    (tmp_path / "backproof.toml").write_text("[conventions]\nlosses.hinge = { two = 1 }\n")
    with pytest.raises(
        BackproofError, match=r"`conventions.losses.hinge` is unknown; use half_squared"
    ):
        settings_for(tmp_path / "my_net.py")
