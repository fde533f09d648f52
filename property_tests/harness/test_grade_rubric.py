"""Rubrics, points, names of students: what needs no process to be tried."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from backproof.checked import Check, Checked, CheckResult
from backproof.claims import Claims
from backproof.errors import BackproofError
from backproof.grades import Grade, Judged, LayerMarks, NetMarks, graded, points_text
from backproof.program import words_of
from backproof.rubric import Rubric
from property_tests.campaign import case_line
from property_tests.grading import the_rubric
from property_tests.nets import Nets
from property_tests.submissions import hash_of, page_names, shown, submissions

GOOD = 'title = "T"\nladder = "1"\n[points]\nlinear = 2\n'


def rubric_of(text: str, folder: Path) -> Rubric:
    path = folder / "rubric.toml"
    path.write_text(text, encoding="utf-8")
    return the_rubric(path)


def test_a_short_rubric_is_enough(tmp_path: Path) -> None:
    rubric = rubric_of(GOOD, tmp_path)
    assert (rubric.title, rubric.function, rubric.files) == ("T", "backprop", "*/my_net.py")
    assert rubric.out_of == 2


def test_the_example_is_a_rubric() -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "rubric.toml"
    assert the_rubric(example).out_of == 20


def _program(command: str) -> str:
    return f'files = "*/runner"\ncommand = {command}\n[points]'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "T"\n', "", "`title` is missing; write it as a text"),
        ('"T"', "3", "`title` is 3; write a text that is not empty"),
        ('"T"', '" "', "`title` is ' '; write a text"),
        ('"1"', '"0"', "`ladder` is '0', but this backproof climbs ladder '1', so grades would"),
        ('"1"', "1", "`ladder` is 1; write a text"),
        ("[points]", "colour = 1\n[points]", "`colour` is unknown; the fields are title, ladder"),
        ("[points]", 'files = "/etc/*.py"\n[points]', "write a pattern below DIR"),
        ("[points]", 'files = "../*.py"\n[points]', "write a pattern below DIR"),
        ("[points]", 'files = "my_net.py"\n[points]', "write one `*` or more, no `**`"),
        ("[points]", 'files = "**/*.py"\n[points]', "write one `*` or more, no `**`"),
        ("[points]", 'function = "a b"\n[points]', "write the name of a Python function"),
        ("[points]", 'adapter = "gone.py"\n[points]', "which is no file beside the rubric"),
        ("[points]", 'adapter = "rubric.toml"\nfunction = "f"\n[points]', "leave one of them out"),
        ("[points]", 'function = "f"\ncommand = ["{file}"]\n[points]', "no use beside `command`"),
        ("[points]", 'adapter = "rubric.toml"\ncommand = ["{file}"]\n[points]', "leave one of"),
        ("[points]", 'command = ["{file}"]\n[points]', "`files` is missing; write it as a text"),
        ("[points]", _program('"node {file}"'), 'write a list of words, as in ["node", "{file}"]'),
        ("[points]", _program('["node", 3]'), "write a list of words, as in"),
        ("[points]", _program('["", "{file}"]'), "write a list of words, as in"),
        ("[points]", _program("[]"), "is [], the same for everybody; write {file} where"),
        ("[points]", _program('["./runner"]'), "is ['./runner'], the same for everybody; write"),
        ("[points]", "should = 1\n[points]", "`should` is 1; write true or false"),
        ("[points]", 'strict = "yes"\n[points]', "`strict` is 'yes'; write true or false"),
        ("[points]", "time_limit = 0\n[points]", "`time_limit` is 0; write seconds, 1 to 3600"),
        ("[points]", "time_limit = nan\n[points]", "`time_limit` is nan; write seconds"),
        ("[points]", "time_limit = true\n[points]", "`time_limit` is True; write seconds"),
        ("[points]", 'required = "x"\n[points]', "write a list of ids of checks"),
        ("[points]", 'required = ["x"]\n[points]', "names 'x', which is no check of this ladder"),
        ("[points]\nlinear = 2\n", "", "`points` is missing or no table"),
        ("linear = 2", "", "`points` is missing or no table"),
        ("linear = 2", "line = 2", "`points.line` is no rung and no check; the rungs are contract"),
        ("linear = 2", "linear = -1", "`points.linear` is -1; write a number from 0 to 1000"),
        ("linear = 2", "linear = inf", "`points.linear` is inf; write a number"),
        ("linear = 2", 'linear = "2"', "`points.linear` is '2'; write a number"),
        ("linear = 2", "linear = = 2", "cannot be read as TOML"),
    ],
)
def test_each_field_is_refused_in_one_sentence(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in GOOD
    with pytest.raises(BackproofError) as refused:
        rubric_of(GOOD.replace(old, new), tmp_path)
    message = str(refused.value)
    assert said in message
    assert "rubric.toml" in message
    assert "\n" not in message.partition("TOML")[0]


def test_a_rubric_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackproofError, match=r"does not exist; give a rubric\.toml"):
        the_rubric(tmp_path / "rubric.toml")


def test_a_command_is_words_and_the_file_as_the_student_names_it(tmp_path: Path) -> None:
    text = GOOD.replace("[points]", _program('["java", "-jar", "{file}", "--in={file}", "{x}"]'))
    rubric = rubric_of(text, tmp_path)
    assert rubric.program("ada/run it.jar") == (
        "cmd:java -jar './run it.jar' '--in=./run it.jar' '{x}'"
    )
    assert rubric.program("ada/build/$(rm)") == (
        "cmd:java -jar './build/$(rm)' '--in=./build/$(rm)' '{x}'"
    )
    assert words_of(rubric.program("-ada.jar").replace("java", "echo"))[1:] == [
        *("-jar", "./-ada.jar", "--in=./-ada.jar", "{x}"),
    ]
    assert rubric_of(GOOD, tmp_path).program("ada/my_net.py") == ""


# Points.

RUNGS = {"linear": "one layer", "activation": "each activation", "extremes": "extremes"}


def result(id: str, status: str, level: str = "must") -> CheckResult:
    return CheckResult(Check(id, f"asks about {id}", level), status)


def points_of(results: list[CheckResult], marks: tuple[NetMarks, ...] = (), **fields: object
              ) -> Grade:  # fmt: skip
    points = {"linear": Fraction(2), "activation": Fraction(3)}
    rubric = Rubric("T", "1", **{"points": points, **fields})  # type: ignore[arg-type]
    checked = Checked("n", "n.py", "", {}, {}, tuple(results), "1")
    return graded(
        "ada", "ada.py", "ada", Judged("k", "answered", "", checked, marks), rubric, RUNGS
    )


BASE = [result("linear.layer", "pass"), result("activation.tanh", "pass")]


def test_a_rung_shares_its_points_among_what_is_claimed() -> None:
    results = [*BASE, result("activation.relu", "fail"), result("activation.gelu", "skipped")]
    found = points_of(results)
    assert found.points == 2 + Fraction(3, 2)
    assert found.status == "wrong"
    assert found.first_broken is not None
    assert found.first_broken.check.id == "activation.relu"


def test_what_was_claimed_and_cannot_be_told_costs_nothing() -> None:
    untold = replace(result("linear.layer", "skipped"), cases=2)
    found = points_of([untold, BASE[1]])
    assert (found.points, found.status) == (Fraction(5), "right")
    assert (found.rungs[0].status, found.rungs[0].passed, found.rungs[0].asked) == ("skipped", 1, 1)
    required = points_of([untold, BASE[1]], required=("linear.layer",))
    assert required.points == 5
    assert required.first_broken is None


def test_what_is_blocked_earns_nothing_and_does_not_break() -> None:
    found = points_of([BASE[0], result("activation.tanh", "blocked")])
    assert found.points == 2
    assert found.first_broken is None


def test_who_claims_nothing_gets_nothing() -> None:
    found = points_of([result("linear.layer", "skipped"), result("activation.tanh", "skipped")])
    assert found.points == 0
    assert found.status == "not judged"


def test_what_is_required_and_not_claimed_is_wrong() -> None:
    skipped = result("activation.relu", "skipped")
    assert points_of([*BASE, skipped]).points == 5
    found = points_of([*BASE, skipped], required=("activation.relu",))
    assert found.points == 2 + Fraction(3, 2)
    assert found.status == "wrong"
    assert found.first_broken == skipped


def test_a_check_with_points_of_its_own_has_no_share_in_its_rungs() -> None:
    points = {"activation": Fraction(3), "activation.relu": Fraction(4)}
    found = points_of([*BASE, result("activation.relu", "fail")], points=points)
    assert found.points == 3
    assert [rung.id for rung in found.rungs][1:3] == ["activation", "activation.relu"]


def test_close_and_should_count_as_the_rubric_says() -> None:
    close = [BASE[0], result("activation.tanh", "close")]
    assert points_of(close).points == 5
    strict = points_of(close, strict=True)
    assert strict.points == 2
    assert strict.status == "wrong"
    points = {"extremes": Fraction(4)}
    saturated = [result("extremes.tiny", "pass"), result("extremes.saturated", "fail", "should")]
    assert points_of(saturated, points=points).points == 4
    assert points_of(saturated, points=points).status == "right"
    counted = points_of(saturated, points=points, should=True)
    assert counted.points == 2
    assert counted.status == "wrong"


def test_follow_through_gives_the_share_that_is_right() -> None:
    case = Nets(Claims()).net(1)
    assert case is not None
    layers = (LayerMarks(2, "wrong", "right", "right"), LayerMarks(1, "right", "right", "-"))
    marks = (NetMarks(case_line(0, case), "", layers),)
    found = points_of(BASE, marks, points={"follow_through": Fraction(10)})
    assert found.points == 8
    assert points_of(BASE, (), points={"follow_through": Fraction(10)}).points == 0


def test_points_are_told_with_at_most_two_decimals() -> None:
    told = [points_text(Fraction(x)) for x in ("7", "7.5", "20/3", "0", "99.999")]
    assert told == ["7", "7.5", "6.67", "0", "100"]
    assert points_text(sum([Fraction("0.1")] * 10, Fraction(0))) == "1"


# Names.


def test_a_page_has_a_name_of_its_own_that_leads_nowhere_else() -> None:
    names = ["ada", "Ada", "../../etc/passwd", "a/b", "a_b", "..", "", "con", "ä", "é", "x" * 300]
    names.append(page_names(["a/b"])["a/b"])  # a student who is called like another one's page
    pages = page_names(names)
    assert len({page.casefold() for page in pages.values()}) == len(names)
    for name, page in pages.items():
        assert page.isascii(), name
        assert 0 < len(page) < 80
        assert not {*'/\\:*?<>|" '} & {*page}
        assert not page.startswith((".", "-"))
    assert pages["a_b"] == "a_b"
    assert pages["con"].startswith("_con-")
    # Nobody's page is called differently because somebody else came or went.
    assert page_names(["../../etc/passwd"])["../../etc/passwd"] == pages["../../etc/passwd"]


def test_what_is_shown_moves_no_cursor_and_turns_no_letter() -> None:
    assert shown("a\x1b[2Jb\u202ec\ud800\n") == "a\\x1b[2Jb\\u202ec\\ud800\\n"
    assert shown("Müller 山田") == "Müller 山田"


@pytest.fixture
def rubric(tmp_path: Path) -> Rubric:
    return rubric_of(GOOD, tmp_path)


def hand_in(path: Path, text: str = "x = 1\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_students_are_folders_and_who_has_no_file_is_missing(
    tmp_path: Path, rubric: Rubric
) -> None:
    folder = tmp_path / "class"
    for name in ("eve", "Bob", "ada"):
        hand_in(folder / name / "my_net.py")
    (folder / "zoe").mkdir()
    (folder / ".git").mkdir()
    found = submissions(folder, rubric, tmp_path / "out")
    assert [each.student for each in found] == ["ada", "Bob", "eve", "zoe"]
    assert found[-1].path is None


def test_students_are_files_where_the_pattern_has_no_folder(tmp_path: Path) -> None:
    flat = rubric_of(GOOD.replace("[points]", 'files = "*.py"\n[points]'), tmp_path)
    hand_in(tmp_path / "class" / "ada.py")
    hand_in(tmp_path / "class" / "bob.py")
    hand_in(tmp_path / "class" / "sub" / "eve.py")
    found = submissions(tmp_path / "class", flat, tmp_path / "out")
    assert [(each.student, each.file) for each in found] == [("ada", "ada.py"), ("bob", "bob.py")]


def test_two_files_of_one_student_are_two_rows(tmp_path: Path) -> None:
    both = rubric_of(GOOD.replace("[points]", 'files = "*/*.py"\n[points]'), tmp_path)
    for name in ("one.py", "two.py"):
        hand_in(tmp_path / "class" / "ada" / name)
    found = submissions(tmp_path / "class", both, tmp_path / "out")
    assert [each.student for each in found] == ["ada/one.py", "ada/two.py"]
    assert len({each.page for each in found}) == 2


def test_a_link_out_of_the_class_is_not_opened(tmp_path: Path, rubric: Rubric) -> None:
    hand_in(tmp_path / "secret.py")
    (tmp_path / "class" / "eve").mkdir(parents=True)
    (tmp_path / "class" / "eve" / "my_net.py").symlink_to(tmp_path / "secret.py")
    (found,) = submissions(tmp_path / "class", rubric, tmp_path / "out")
    assert "a link to a file outside" in found.complaint


def test_a_class_without_a_submission_is_refused(tmp_path: Path, rubric: Rubric) -> None:
    with pytest.raises(BackproofError, match="is no folder; give the one that holds the class"):
        submissions(tmp_path / "class", rubric, tmp_path / "out")
    (tmp_path / "class").mkdir()
    with pytest.raises(BackproofError, match="has no file that matches"):
        submissions(tmp_path / "class", rubric, tmp_path / "out")


def test_the_hash_of_a_submission_knows_its_helpers(tmp_path: Path, rubric: Rubric) -> None:
    folder = tmp_path / "class"
    hand_in(folder / "ada" / "my_net.py")
    (ada,) = submissions(folder, rubric, tmp_path / "out")
    found = [hash_of(folder, ada)]
    hand_in(folder / "ada" / "helper.py")
    found.append(hash_of(folder, ada))
    hand_in(folder / "ada" / "helper.py", "x = 2\n")
    found.append(hash_of(folder, ada))
    assert len({*found}) == 3
    (folder / "ada" / "my_net.py").chmod(0o755)  # a program: who may not run is told so
    found.append(hash_of(folder, ada))
    assert found[-1] != found[-2]
    hand_in(folder / "ada" / "__pycache__" / "helper.pyc", "")
    hand_in(folder / "ada" / ".notes", "")
    os.mkfifo(folder / "ada" / "pipe")  # reading it would wait for ever
    assert hash_of(folder, ada) == found[-1]
