"""The page of a report on trial: its order, its words, and what must never get into it."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from backproof.records import CaseLine, PairRecord, Run
from property_tests.harness.made_up_runs import (
    SUBJECT,
    footer_of,
    hostile_run,
    lost,
    made_up_run,
    no_answer,
    shrunk_like,
    spoil_case,
    verdict_of,
    wrong,
    wrong_run,
)
from reports import audit, coverage, markup, tables
from reports.html import page
from reports.spread import Axis

SECTIONS = [
    "Does it agree?",
    "How far at worst?",
    "What could not be judged, and why?",
    "Who agrees with whom?",
    "Where are the errors large?",
    "The worst cases",
    "What was covered?",
]


class Seen(HTMLParser):
    """What a browser would make of a page: its tags, attributes and text by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def text(self, inside: str = "body") -> str:
        """All text inside an element, without its line breaks."""
        pieces = "".join(data for path, data in self.texts if inside in path)
        return " ".join(pieces.split())


def page_of(run: Run) -> str:
    return page(run, list(tables.summary_rows(run)))


def test_the_page_answers_in_order_and_is_well_formed() -> None:
    for run in (made_up_run(20), wrong_run()):
        seen = Seen(page_of(run))
        headings = [data for path, data in seen.texts if path[-1:] == ("h2",) and data.strip()]
        assert [text.strip() for text in headings] == SECTIONS
        assert seen.unbalanced == []
        assert seen.open == []
        assert sum(tag == "h1" for tag, _ in seen.tags) == 1
        assert all(attrs.get("scope") for tag, attrs in seen.tags if tag == "th")
        ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
        assert len(ids) == len(set(ids))


def loads(text: str) -> list[str]:
    """Whatever makes a page run or fetch something: scripts, handlers, addresses."""
    found = [
        f"{tag} {name}={value}"
        for tag, attrs in Seen(text).tags
        for name, value in attrs.items()
        if name.startswith("on")
        or (name in ("src", "href", "action", "data") and not (value or "").startswith("#"))
    ]
    found += [tag for tag, _ in Seen(text).tags if tag in ("script", "img", "link", "iframe")]
    return found + re.findall(r"url\(|@import", text)


def test_untrusted_text_stays_text() -> None:
    text = page_of(hostile_run())
    assert loads(text) == []
    assert "\u202e" not in text
    assert "<script>alert(1)</script>" in Seen(text).text()
    assert Seen(text).unbalanced == []


def test_a_renderer_that_forgets_to_escape_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "escaped", markup.Markup)
    found = loads(page_of(hostile_run()))
    assert "script" in found
    assert "img onerror=y" in found


def test_the_page_forbids_itself_to_load_anything() -> None:
    (policy,) = [
        attrs["content"]
        for tag, attrs in Seen(page_of(made_up_run(2))).tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script-src" not in policy


def test_agreement_is_a_sentence_with_its_numbers() -> None:
    seen = Seen(page_of(made_up_run(20)))
    agrees = "reference_impl agrees with torch_autograd, jax_grad and finite_difference."
    assert seen.text("h1") == agrees
    assert "cases judged20" in seen.text()
    assert "checks made of 120 promised120" in seen.text()
    assert re.search(r"the worst error is 0\.\d+ of the bound", seen.text())
    assert not any(attrs.get("class") == "banner" for _, attrs in seen.tags)


def test_a_wrong_case_is_shown_smallest_and_worst_with_layer_and_element() -> None:
    run = wrong_run()
    text = Seen(page_of(run)).text()
    assert Seen(page_of(run)).text("h1") == "reference_impl is wrong in 1 of 20 cases."
    order = [text.index(part) for part in ("Smallest case that fails like case 7", "Worst of them")]
    assert order == sorted(order)
    bad = next(p for p in run.results[7].pairs if p.verdict == "wrong").worst
    assert bad is not None
    assert f"Layer 1, dW[0, 0]: reference_impl has {bad.value_a!r}, torch_autograd has" in text
    assert f"backproof replay {run.cases[7].token}" in text
    assert f"backproof replay {run.shrunk[0].case.token}" in text


def test_the_snippet_holds_the_numbers_of_the_case() -> None:
    import numpy as np

    from backproof import case_of
    from reports.snippet import numpy_snippet

    line = shrunk_like(wrong_run(), 7).case
    told: dict[str, Any] = {}
    exec(numpy_snippet(line), told)
    arrays = case_of(line.token).arrays
    np.testing.assert_array_equal(told["X"], arrays.X)
    np.testing.assert_array_equal(told["W"][0], arrays.weights[0])
    wide = replace(line, widths=(64, 64), token=line.token)
    told = {}
    exec(numpy_snippet(wide), told)
    np.testing.assert_array_equal(told["Y"], arrays.Y)


def test_a_token_cannot_leave_its_command() -> None:
    run = wrong_run()
    run.cases[7] = replace(run.cases[7], token="x; rm -rf ~")
    assert "backproof replay 'x; rm -rf ~'" in Seen(page_of(run)).text("pre")


def test_the_command_names_the_implementation_and_finds_given_arrays() -> None:
    run = wrong_run()
    run.header = replace(run.header, target="my net.py:backprop")
    run.cases[7] = replace(run.cases[7], token="file:" + "a" * 64)
    told = Seen(page_of(run)).text("pre")
    assert f"backproof replay file:{'a' * 64} --impl 'my net.py:backprop' --out ." in told
    assert f"backproof replay {run.shrunk[0].case.token} --impl 'my net.py:backprop'" in told


def test_a_case_without_an_answer_has_a_card() -> None:
    run = made_up_run(9, spoiled=spoil_case(2, "jax_grad", lambda p: no_answer(p, "timeout: 2 s")))
    small = shrunk_like(run, 2)
    failed = no_answer(small.pairs[0], "timeout: 2 s, again")
    run.shrunk = [replace(small, pairs=(failed,), cell="no answer timeout")]
    text = Seen(page_of(run)).text()
    assert "Cases in which a side gave no answer: 1" in text
    assert "Smallest case that fails like case 2 A side gave no answer: timeout: 2 s, again" in (
        text.replace("case 2A", "case 2 A")
    )
    assert "No comparison" not in text


def test_oracles_that_contradict_each_other_are_said_on_top() -> None:
    def spoiled(case: CaseLine, pair: PairRecord) -> PairRecord:
        return wrong(pair) if case.index == 3 and pair.a == "torch_autograd" else pair

    text = Seen(page_of(made_up_run(9, spoiled=spoiled))).text()
    assert "Whether reference_impl agrees is not shown." in text
    assert "The oracles disagree. 2 comparisons of two oracles came out wrong." in text
    assert "Cases in which oracles contradict each other: 1" in text
    assert "torch_autograd × jax_grad: 1 case" in text


def test_a_missing_oracle_is_said_on_top_and_never_counted() -> None:
    how = "python -m pip install 'backproof[jax]'"
    run = made_up_run(9, oracles=("torch_autograd",), missing={"jax_grad": how})
    seen = Seen(page_of(run))
    text = seen.text()
    assert seen.text("h1") == "reference_impl agrees with torch_autograd."
    assert text.index("jax_grad is not installed") < text.index(SECTIONS[0])
    assert how in text


def test_an_oracle_that_judged_nothing_is_no_agreement() -> None:
    def hollow(case: CaseLine, pair: PairRecord) -> PairRecord:
        counts = dict.fromkeys(pair.counts, 0) | {"uninformative": 3}
        return replace(pair, counts=counts) if pair.b == "jax_grad" else pair

    seen = Seen(page_of(made_up_run(9, spoiled=hollow, oracles=("torch_autograd", "jax_grad"))))
    assert seen.text("h1") == "reference_impl agrees with torch_autograd."
    assert "Nothing said. jax_grad took part, but no element of it agrees" in seen.text()


def test_a_side_without_an_answer_is_quoted() -> None:
    run = made_up_run(9, spoiled=spoil_case(2, "jax_grad", lambda p: no_answer(p, "crashed: 11")))
    seen = Seen(page_of(run))
    assert "In 1 check a side gave no answer." in seen.text()
    assert "crashed: 11" in seen.text("pre")
    assert "not shown" in seen.text("h1")


def test_an_unfinished_run_never_agrees() -> None:
    whole = made_up_run(10)
    stopped = made_up_run(10)
    stopped.results = stopped.results[:4]
    stopped.details = []
    stopped.footer = footer_of(stopped, complete=False, reason="interrupted after 4 of 10 cases")
    cut = made_up_run(10)
    cut.footer = None
    assert audit.standing(whole).verdict == audit.AGREES
    for run, said in ((stopped, "interrupted after 4 of 10"), (cut, "It has no last line")):
        seen = Seen(page_of(run))
        assert seen.text("h1") == "Whether reference_impl agrees is not shown."
        assert f"The run is not whole. {'It was stopped: ' if run is stopped else ''}{said}" in (
            seen.text()
        )
    assert "60 checks were promised, 24 made: 36 missing." in Seen(page_of(stopped)).text()


def footer_with(**changes: Any) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        assert run.footer is not None
        run.footer = replace(run.footer, **changes)

    return change


def drop_a_pair(run: Run) -> None:
    run.results[3] = replace(run.results[3], pairs=run.results[3].pairs[1:])
    run.details = []
    run.footer = footer_of(run)


def result_twice(run: Run) -> None:
    run.results[3] = run.results[2]
    run.footer = footer_of(run)


def hide_a_wrong(run: Run) -> None:
    pairs = (wrong(run.results[3].pairs[0]), *run.results[3].pairs[1:])
    run.results[3] = replace(run.results[3], pairs=pairs, verdict=verdict_of(pairs))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (drop_a_pair, "60 checks were promised, 59 made: 1 missing."),
        (result_twice, "Some cases have two results."),
        (hide_a_wrong, "The footer counts 0 disagreements, the records show 1."),
        (footer_with(made=61), "The footer counts 61 checks, the records are 60."),
        (footer_with(made=59), "The footer counts 59 checks, the records are 60."),
        (footer_with(promised=1), "The header promises 60 checks, the footer 1."),
        (footer_with(counts={}), "The footer counts 0 elements as agree, the records"),
        (footer_with(disagreements=2), "The footer counts 2 disagreements, the records show 0."),
    ],
)
def test_what_does_not_add_up_is_said(fault: Callable[[Run], None], said: str) -> None:
    run = made_up_run(10)
    assert audit.standing(run).complaints == ()
    fault(run)
    text = Seen(page_of(run)).text()
    assert f"It does not add up. {said}" in text
    assert "agrees with" not in text[: text.index(SECTIONS[0])]


def test_a_case_with_an_error_and_a_wrong_pair_may_count_as_a_failure() -> None:
    def spoiled(case: CaseLine, pair: PairRecord) -> PairRecord:
        if case.index == 3 and pair.a == SUBJECT:
            return no_answer(pair, "timeout: 2 s") if pair.b == "jax_grad" else wrong(pair)
        return pair

    run = made_up_run(10, spoiled=spoiled)
    assert audit.standing(run).complaints == ()
    assert audit.standing(run).verdict == audit.DISAGREES


def test_coverage_says_what_is_missing_and_what_cannot_be() -> None:
    assert not coverage.possible("softmax", "binary_cross_entropy", 3)
    assert not coverage.possible("tanh", "cross_entropy", 1)
    assert coverage.possible("tanh", "cross_entropy", 2)
    run = made_up_run(1)
    (case,) = run.cases
    counts = coverage.combinations(run.cases)
    assert set(counts) == {(a, case.loss, len(case.activations)) for a in case.activations}
    text = Seen(page_of(run)).text()
    assert f"{len(counts)} of 278 possible combinations" in text
    assert f"Not covered: {278 - len(counts)} combinations" in text


def test_an_estimated_bar_does_not_rank() -> None:
    def near(pair: PairRecord) -> PairRecord:
        assert pair.worst is not None
        return replace(pair, worst=replace(pair.worst, error_in_bounds=0.987, verdict="agree"))

    run = made_up_run(20, spoiled=spoil_case(4, "finite_difference", near))
    assert "0.987 of the bound" not in Seen(page_of(run)).text()
    alone = made_up_run(
        20, oracles=("finite_difference",), spoiled=spoil_case(4, "finite_difference", near)
    )
    assert "the worst error is 0.987 of the finite-difference bar" in Seen(page_of(alone)).text()


def test_the_axis_holds_zero_the_bound_and_infinity() -> None:
    axis = Axis(-5, 1)
    places = [axis.at(v) for v in (0.0, 1e-99, 1e-5, 1.0, 10.0, math.inf)]
    assert places == pytest.approx([2.0, 6.0, 6.0, 6 + 88 * 5 / 6, 94.0, 98.0])
    assert 0 in axis.ticks()
    assert 0 in Axis(-3, 14).ticks()


def test_a_wrong_side_is_marked_in_the_square_and_in_its_strips() -> None:
    right, wrong_page = Seen(page_of(made_up_run(20))), Seen(page_of(wrong_run()))
    for kind, marks in (("td", "h5"), ("circle", "top off")):
        found = [
            sum(tag == kind and attrs.get("class") == marks for tag, attrs in seen.tags)
            for seen in (right, wrong_page)
        ]
        assert found[0] == 0
        assert found[1] > 0


def test_an_empty_run_has_a_page() -> None:
    run = made_up_run(0)
    assert Seen(page_of(run)).text("h1") == "Whether reference_impl agrees is not shown."


def test_numbers_in_words() -> None:
    values = [None, math.nan, math.inf, 0.0, 0.34217, 1234.5, 1.234e-16, -5e13]
    shown = ["–", "–", "∞", "0", "0.342", "1,234", "1.2e-16", "-5.0e13"]
    assert [markup.short(value) for value in values] == shown
    assert markup.share(1, 10**6) == "< 0.01 %"
    assert markup.plural(1, "case") == "1 case"


def test_a_wrong_answer_that_is_no_number_is_shown() -> None:
    run = made_up_run(9, spoiled=spoil_case(4, "jax_grad", lost))
    assert "Layer 1, dW[0, 0]: reference_impl has nan" in Seen(page_of(run)).text()


def test_five_hundred_cases_are_a_small_page() -> None:
    assert len(page_of(made_up_run(500)).encode()) < 500_000
