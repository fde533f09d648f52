"""Tokens on trial: each names one whole case for ever, and a misspelt one is noticed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backproof.case import Case
from backproof.errors import CaseError
from backproof.tokens import case_of, token_of
from property_tests.harness.small_cases import ONE
from property_tests.space import sampled_case
from property_tests.strategies import cases


@given(cases(size=None))
def test_a_token_names_the_whole_case(case: Case) -> None:
    token = token_of(case)
    assert case_of(token) == case
    assert len(token) <= 80


def test_printed_tokens_mean_the_same_for_ever() -> None:
    assert case_of("bp1r4000000000000007tp") == ONE
    deep = Case(
        (5, 2, 4, 3, 3, 1), ("sigmoid",) * 5, "mean_squared_error", "mean", "augmented", 7, 0.1,
        "fractions", 0, "float32", 2**32 - 1, 1 / 4,
    )  # fmt: skip
    assert token_of(deep) == "bp1ac16mfzzzzzy30ggggg08430h4j14"


@given(cases(size=None), st.data())
def test_a_token_in_capitals_names_the_same_case(case: Case, data: st.DataObject) -> None:
    token = token_of(case)
    capitals = data.draw(st.lists(st.booleans(), min_size=len(token), max_size=len(token)))
    mixed = "".join(c.upper() if up else c for c, up in zip(token, capitals, strict=True))
    assert case_of(token.upper()) == case_of(mixed) == case
    assert token_of(case_of(token.upper())) == token  # it is still written small


def test_only_ascii_has_capitals() -> None:
    """The Kelvin sign becomes a k when it is lowered."""
    token = next(token for seed in range(99) if "k" in (token := token_of(replace(ONE, seed=seed))))
    with pytest.raises(CaseError, match=r"is misspelt or cut off; copy the whole token\.$"):
        case_of(token.replace("k", "\N{KELVIN SIGN}"))


def test_no_two_cases_share_a_token() -> None:
    drawn = {sampled_case(3, index) for index in range(3000)}
    assert len({token_of(case) for case in drawn}) == len(drawn)


@given(cases(), st.data())
def test_a_misspelt_token_is_noticed(case: Case, data: st.DataObject) -> None:
    token = token_of(case)
    at = data.draw(st.integers(3, len(token) - 1), label="position")
    letter = data.draw(st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"), label="letter")
    wrong = token[:at] + letter + token[at + 1 :]
    if wrong == token:
        return
    # Three digits of checksum let one of 32768 pass; then it must be another whole case.
    try:
        other = case_of(wrong)
    except CaseError:
        return
    assert other != case


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "'' is no case token; one looks like bp1"),
        ("bp1", "'bp1' is no case token"),
        ("bp2r4000000000000007tp", "'bp2r4000000000000007tp' is no case token"),
        ("x" * 200, "'" + "x" * 80 + "...' is no case token"),
        ("bp1r4000000000000007t", "'bp1r4000000000000007t' is misspelt or cut off"),
        ("bp1r400000000000000 7tp", "'bp1r400000000000000 7tp' is misspelt or cut off"),
        ("bp1\u0661\u0661\u0661\u0661", "'bp1\u0661\u0661\u0661\u0661' is misspelt or cut off"),
        ("BP1R4000000000000007T", "'BP1R4000000000000007T' is misspelt or cut off"),
        ("file:00", "'file:00' names a case file"),
        ("FILE:00", "'FILE:00' names a case file"),
        (5, "`token` is a int; give a string."),
        (None, "`token` is a NoneType; give a string."),
    ],
)
def test_what_is_no_token_is_said(token: Any, message: str) -> None:
    with pytest.raises(CaseError) as caught:
        case_of(token)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "own", [{"alpha": 0.3}, {"slope": 0.01}, {"alpha": 0.3, "slope": 0.2}, {"alpha": 2.0**20}]
)
def test_numbers_of_somebodys_own_make_a_longer_token(own: dict[str, float]) -> None:
    case = Case((3, 2), ("leaky_relu",), **own)  # type: ignore[arg-type]
    token = token_of(case)
    assert case_of(token) == case
    assert 10 * len(own) < len(token) - len(token_of(Case((3, 2), ("leaky_relu",)))) < 15 * len(own)
