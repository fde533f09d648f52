"""Building HTML from text that nobody vouches for: tags, escaping, numbers, tables.

Every string that reaches a page is either a `Markup` made here or is escaped on the way in, so a
name, a message or a traceback cannot become a tag.
"""

import html
import math
import unicodedata
from collections.abc import Iterable, Sequence


class Markup(str):
    """HTML that was put together here and needs no more escaping."""

    __slots__ = ()


Content = str | Iterable[str]
Attribute = str | float | bool


def escaped(text: str) -> Markup:
    """Text as HTML. Control characters, half surrogates and those that reverse the direction of
    writing are spelled out: they could make a page show something else than it holds.
    """
    if isinstance(text, Markup):
        return text
    if not text.isprintable():
        text = "".join(_visible(character) for character in text)
    return Markup(html.escape(text, quote=True))


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return f"\\u{ord(character):04x}"


def tag(name: str, *content: Content, **attributes: Attribute) -> Markup:
    """An element. `class_` is class, `aria_label` is aria-label; content that is no Markup is
    escaped; an attribute that is False is left out.
    """
    inner = "".join(escaped(part) for part in _parts(content))
    return Markup(f"<{name}{_attributes(attributes)}>{inner}</{name}>")


def void(name: str, **attributes: Attribute) -> Markup:
    """An element without content, closed as both HTML and SVG allow."""
    return Markup(f"<{name}{_attributes(attributes)}/>")


def join(*content: Content) -> Markup:
    """Several pieces, one after the other."""
    return Markup("".join(escaped(part) for part in _parts(content)))


def separated(separator: str, items: Iterable[str]) -> Markup:
    """Pieces with something between them. (`str.join` would forget what is escaped already.)"""
    return Markup(escaped(separator).join(escaped(item) for item in items))


def _parts(content: Iterable[Content]) -> Iterable[str]:
    for part in content:
        if isinstance(part, str):
            yield part
        else:
            yield from part


def _attributes(attributes: dict[str, Attribute]) -> str:
    told = []
    for name, value in attributes.items():
        if value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        told.append(f" {name}" if value is True else f' {name}="{escaped(str(value))}"')
    return "".join(told)


def masthead(brand: str, heading: Content, lead: Content, manner: str) -> Markup:
    """The top of a page. lead: "" for none   manner: its class, "agrees" or so, "" for none"""
    return tag(
        "header",
        tag("p", brand, class_="brand"),
        tag("h1", heading),
        tag("p", lead, class_="lead") if lead else "",
        class_=manner or False,
    )


def table(
    caption: Content,
    heads: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    class_: str = "",
    label: str,
) -> Markup:
    """A table with a caption whose first cell of each row is the row's head.

    It stands in a box of its own that scrolls where the page is narrow, by keyboard too.
    """
    body = [
        tag("tr", tag("th", first, scope="row"), [cell(content) for content in rest])
        for first, *rest in rows
    ]
    return scrolling(
        label,
        tag(
            "table",
            tag("caption", caption) if caption else "",
            tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
            tag("tbody", body),
            class_=class_ or False,
        ),
    )


def cell(content: Content) -> Markup:
    """A data cell; a ready `<td>` passes through."""
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return tag("td", content)


def scrolling(label: str, content: Markup) -> Markup:
    """A box that scrolls sideways, reachable by keyboard."""
    return tag("div", content, class_="scroll", role="region", tabindex=0, aria_label=label)


def counted(number: int) -> str:
    """12345 -> "12,345"."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """(1, "case") -> "1 case"; (2000, "case") -> "2,000 cases"."""
    return f"{counted(number)} {one if number == 1 else many or one + 's'}"


def short(value: float | None) -> str:
    """A number in three digits: 0.342, 1.2e-16; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0 or 0.001 <= size < 100_000:
        return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def share(part: int, whole: int) -> str:
    """A share in percent that never rounds something to nothing."""
    if not part or not whole:
        return "0 %" if whole else "–"
    percent = 100 * part / whole
    return (
        "< 0.01 %" if percent < 0.01 else f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"
    )


def bar_of(part: int, whole: int) -> Markup:
    """The same share as a bar, for the eye alone."""
    bar = void("rect", class_="band", x=0, y=0, width=f"{100 * part / whole:.1f}%", height=6)
    return tag("svg", bar, class_="share", aria_hidden="true")


def names(items: Sequence[str]) -> Markup:
    """Names in code type: a, b and c."""
    told = [tag("code", item) for item in items]
    if len(told) < 2:
        return join(told)
    return join(separated(", ", told[:-1]), " and ", told[-1])


def name_code(name: str, after: str = "_/") -> Markup:
    """A name in code type that may break after each of some characters, and only there."""
    parts = "".join(f"{c}<wbr>" if c in after else c for c in escaped(name))
    return Markup(f'<code class="name">{parts}</code>')


def pair_name(a: str, b: str) -> Markup:
    """Two sides that were compared."""
    return join(name_code(a), " × ", name_code(b))
