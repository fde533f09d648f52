"""The arrays of one case side by side, as a learner reads them: from the output down."""

from collections.abc import Sequence

from backproof.check_words import from_the_output
from backproof.records import ParameterRecord
from backproof.sentences import SHOWN, place
from reports.markup import Markup, join, table, tag


def side_by_side(parameters: Sequence[ParameterRecord], here: ParameterRecord | None) -> Markup:
    """Which layer is the first wrong one, and each array at its worst element.

    here: the array where the mistake starts, as the terminal marks it
    """
    records = from_the_output(parameters)
    return join(
        tag("p", _first_wrong_layer(records, here)),
        table(
            "Each array from the output down, at its worst element",
            ["where", "yours", "exact", ""],
            [
                [
                    tag("code", place(record)),
                    tag("td", repr(record.value_a), class_="num"),
                    tag("td", repr(record.value_b), class_="num"),
                    _word(record, here),
                ]
                for record in records
            ],
            class_="sides",
            label="Numbers side by side",
        ),
    )


def _word(record: ParameterRecord, here: ParameterRecord | None) -> Markup:
    wrong = record.verdict == "wrong"
    said = "wrong here" if wrong and record == here else record.verdict
    return tag("td", said, class_="off" if wrong else "")


def _first_wrong_layer(records: list[ParameterRecord], here: ParameterRecord | None) -> str:
    wrong = [record for record in records if record.verdict == "wrong"]
    if not wrong:
        return "No single array is out of its bound; the numbers are those that lie farthest apart."
    # An array above it may be out of its bound by next to nothing: the mistake is not there.
    layer = here.layer if here is not None and here in wrong else wrong[0].layer
    names = " and ".join(f"{SHOWN[r.parameter]}_{layer}" for r in wrong if r.layer == layer)
    word = "close" if any(record.layer == layer + 1 for record in wrong) else "right"
    above = "" if layer == records[0].layer else f" Layer {layer + 1} above it is {word}."
    verb = "are" if " and " in names else "is"
    return f"From the output down, layer {layer} is the first wrong one: {names} {verb}.{above}"
