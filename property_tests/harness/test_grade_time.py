"""The time limit of a submission, without waiting for it."""

from backproof.case import Case
from backproof.gradients import Failure, Steps
from property_tests.grade_worker import Timed
from property_tests.planted import EXAMPLE


def test_a_submission_whose_time_is_up_is_asked_nothing_any_more() -> None:
    """Also not what a model behind an adapter alone is asked: its steps, and its stated loss."""
    program = EXAMPLE.parent / "styles" / "trains_in_place.py"
    adapter = program.with_name("trains_in_place_adapter.py")
    case = Case((3, 4, 2), ("sigmoid", "sigmoid"), n=4)
    target = Timed(str(program), str(adapter), 60.0, None)
    with target:
        assert isinstance(target.steps(case, 2), Steps)
        target._until = 0.0
        for answer in (
            target.gradients(case),
            target.exactly(case, 128, False),
            target.steps(case, 2),
            target.stated_loss(case),
        ):
            assert isinstance(answer, Failure)
            assert answer.message == "not asked, for the 60 s of one submission were used up"
