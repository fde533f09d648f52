"""A `Checked` as JUnit XML, which CI systems read."""

import re
from xml.etree import ElementTree

from backproof.checked import Checked, CheckResult
from backproof.sentences import shape_of

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
# XML 1.0 has no way to write these, not even escaped.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_of(checked: Checked) -> str:
    """One test case per check; `should` checks that fail without --strict are skipped ones."""
    suite = ElementTree.Element(
        "testsuite",
        name=_text(f"backproof {checked.name}"),
        tests=str(len(checked.results)),
        failures=str(sum(_kind(checked, r) == "failure" for r in checked.results)),
        errors=str(sum(_kind(checked, r) == "error" for r in checked.results)),
        skipped=str(sum(_kind(checked, r) == "skipped" for r in checked.results)),
    )
    for result in checked.results:
        _add(suite, checked, result)
    ElementTree.indent(suite)
    return _DECLARATION + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _add(suite: ElementTree.Element, checked: Checked, result: CheckResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"backproof.{checked.name}.{result.check.rung}"),
        name=_text(result.check.id),
    )
    kind = _kind(checked, result)
    if kind:
        told = ElementTree.SubElement(case, kind, message=_text(_message(result)))
        told.text = _text(_details(result))


def _kind(checked: Checked, result: CheckResult) -> str:
    if checked.fails(result):
        return "failure" if result.status in ("fail", "close", "xpass") else "error"
    return "" if result.status in ("pass", "close") else "skipped"


def _message(result: CheckResult) -> str:
    return f"{result.status}: {result.message}" if result.message else result.status


def _details(result: CheckResult) -> str:
    shape = "" if result.case is None else f"{result.case.token}  {shape_of(result.case)}"
    return "\n".join(filter(None, [result.check.asks, shape, result.printed]))


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("?", text)
