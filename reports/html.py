"""The report as one HTML file: opens offline, loads and runs nothing, the same bytes each time.

The order of the sections is the order of a reader's questions. What is wrong with the run itself
(an oracle missing, a check not made) stands above all of them.
"""

from pathlib import Path

from backproof.records import Run
from reports.audit import standing
from reports.coverage import coverage_section
from reports.markup import Markup, join, masthead, tag
from reports.opening import banners, distance_section, headline, title, verdict_section
from reports.sides import sides_section
from reports.spread import spread_section
from reports.tables import SummaryRow
from reports.unjudged import unjudged_section
from reports.worst import worst_section

_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = Path(__file__).with_name("style.css")


def page(run: Run, summary: list[SummaryRow]) -> str:
    """The whole page. `summary`: the rows of `summary.csv`, from `tables.summary_rows`."""
    found = standing(run)
    sections = [
        ("agrees", "Does it agree?", verdict_section(run, found, summary)),
        ("worst-error", "How far at worst?", distance_section(run, summary)),
        ("not-judged", "What could not be judged, and why?", unjudged_section(run, summary)),
        ("sides", "Who agrees with whom?", sides_section(run, summary)),
        ("spread", "Where are the errors large?", spread_section(run, summary)),
        ("cases", "The worst cases", worst_section(run)),
        ("coverage", "What was covered?", coverage_section(run)),
    ]
    body = tag(
        "main",
        masthead("backproof", headline(run, found), "", found.verdict),
        banners(run, found),
        _contents(sections),
        [section(number, *each) for number, each in enumerate(sections, 1)],
        _footer(),
    )
    return document(title(run, found), body)


def document(name: str, body: Markup) -> str:
    """A whole file: opens offline, loads and runs nothing. name: of the tab"""
    return "<!DOCTYPE html>\n" + tag("html", _head(name), tag("body", body), lang="en") + "\n"


def _head(name: str) -> Markup:
    # A style sheet is no text: the file is ours, and "</" does not occur in it.
    style = Markup(_STYLE.read_text(encoding="utf-8"))
    return Markup(
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"{tag('title', name)}<style>{style}</style></head>"
    )


def _contents(sections: list[tuple[str, str, Markup]]) -> Markup:
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name, _ in sections]
    return tag("nav", tag("ol", links), aria_label="Contents")


def section(number: int, anchor: str, name: str, content: Markup) -> Markup:
    """A numbered part of a page, with the anchor that links lead to."""
    heading = tag("h2", tag("span", str(number), class_="number"), " ", name, id=anchor)
    return tag("section", heading, content, aria_labelledby=anchor)


def _footer() -> Markup:
    return tag(
        "footer",
        join("Beside this page: "),
        tag("code", "agreement.csv"),
        ", one row per case and pair; ",
        tag("code", "summary.csv"),
        ", the numbers behind sections 2 to 5; and the run itself, ",
        tag("code", "run.jsonl"),
        ", from which all of this can be made again with ",
        tag("code", "backproof report"),
        ".",
    )
