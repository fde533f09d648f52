"""A step behind an adapter raised: is the adapter at fault, or the program?

Where the exception comes out of the adapter's own lines, the adapter is. Where it comes out of the
program, the program is given X and Y in every other form that an adapter can name: one in which it
runs may be the one that it wants. If it raises in all of them, the program is at fault.
"""

import copy
import time
from collections.abc import Callable, Iterator
from inspect import isfunction
from itertools import product

from backproof.adapted import Adapted
from backproof.adapters import BATCHES, LABELS, Adapter
from backproof.hurrying import hurried
from backproof.telling import file_of, told

_PATIENCE = 0.5  # for one call of the learner's code
_SECONDS = 3.0  # for all of them

Step = Callable[[Adapted], object]


def whose_fault(adapted: Adapted, error: BaseException, step: Step) -> str:
    """One sentence: what was raised, and who is at fault.

    step: one step of a program behind an adapter, which raises again if it is asked again
    """
    said = with_line(adapted, error)
    if not raised_inside(adapted, error):
        return (
            f"one step raises {said}; the adapter is at fault, for the program itself raises "
            "nothing: see what `run` and `make` call, and with what"
        )
    other = next(_forms_that_run(adapted, step), None)
    if other is not None:
        return (
            f"one step raises {said}; with {other} it runs, so the adapter is at fault if that is "
            "the form that the program wants, and else the implementation"
        )
    return (
        f"one step raises {said}, in whatever form X and Y are handed over; the implementation is "
        "at fault, or `run` calls it as it does not want to be called"
    )


def raised_inside(adapted: Adapted, error: BaseException) -> bool:
    """Whether it comes out of the program: the last frame of the two is not the adapter's."""
    mine = _files_of(adapted.adapter)
    return file_of(error, adapted.folder, *mine) not in ("", *mine)


def with_line(adapted: Adapted, error: BaseException) -> str:
    """What was raised, and its line in the program or in the adapter, wherever that lies."""
    return told(error, adapted.folder, *_files_of(adapted.adapter))


def _files_of(adapter: Adapter) -> list[str]:
    """Where its methods are written, as tracebacks name it."""
    methods = [each for each in vars(type(adapter)).values() if isfunction(each)]
    return list(dict.fromkeys(method.__code__.co_filename for method in methods))


def _forms_that_run(adapted: Adapted, step: Step) -> Iterator[str]:
    """Other values of `batch` and `labels` with which nothing is raised, as an adapter has them."""
    until = time.monotonic() + _SECONDS
    asked = adapted.adapter.batch, adapted.adapter.labels
    for batch, labels in product(BATCHES, ("", *LABELS)):
        if (batch, labels) == asked or labels == batch or time.monotonic() > until:
            continue
        adapter = copy.copy(adapted.adapter)
        adapter.batch, adapter.labels = batch, labels
        try:
            with hurried(_PATIENCE):
                step(Adapted(adapter, adapted.folder, adapted.shown, adapted.marked))
        except BaseException:
            continue
        yield f"batch = {batch!r}" + (f" and labels = {labels!r}" if labels else "")
