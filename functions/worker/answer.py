"""From what a model said to a result that may be delivered, or the complaints about it.

In this order: the length, strict parse, the result model's types and bounds
(`simmer.task.answers`, which also leaves nulls out), the characters a phone may be given, the fit
to the request. Nothing is repaired: the text that passes is delivered as it is. Before it is looked
at, its wrapper is taken off (`providers.unwrap`), and the text is brought into Unicode's composed
form (NFC), unless that would take long.
"""

import unicodedata
from collections.abc import Iterator, Sequence, Set
from typing import Any

from providers.unwrap import unwrapped
from simmer.task import AnyTask, TaskRequest
from simmer.task.answers import Misfit, read_answer
from simmer.text import plain
from simmer.text.plain import folded, has_too_many_marks

MAX_RESULT_BYTES = 64 * 1024  # an item may have 400 KB, a WebSocket frame 128
MAX_COMPLAINTS = 12
MAX_COMPLAINT_CHARACTERS = 300  # it may quote the answer


class InvalidAnswer(Exception):
    """The answer cannot be delivered. `complaints` are worded for the model that has to mend it;
    `types` are the validator's words for them, where it was the validator that complained."""

    def __init__(self, *complaints: str, types: Sequence[str] = ()) -> None:
        super().__init__("invalid answer")
        self.types = tuple(types)
        self.complaints = tuple(
            complaint[:MAX_COMPLAINT_CHARACTERS].encode("utf-8", "replace").decode()
            for complaint in complaints[:MAX_COMPLAINTS]
        )


def validated(task: AnyTask, request: TaskRequest, text: str) -> str:
    """The JSON text that may be delivered, or `InvalidAnswer`."""
    text = _composed(unwrapped(text))
    try:
        answer = read_answer(task.result_model, text)
    except Misfit as misfit:
        raise InvalidAnswer(*misfit.complaints, types=misfit.types) from None
    # The user's own words may hold markup: to leave that out would be to alter what was asked with.
    own = frozenset(folded(text) for _, text in _placed(request.model_dump(mode="json")))
    complaints = [
        *_text_complaints(answer.document, own, has_links=task.links),
        *task.check(request, answer.result),
    ]
    if complaints:
        raise InvalidAnswer(*complaints)
    return answer.text


def _composed(text: str) -> str:
    _refuse_long(text)
    if has_too_many_marks(text):
        raise InvalidAnswer(f"more than {plain.MAX_MARKS_IN_A_ROW} combining marks in a row")
    text = unicodedata.normalize("NFC", text)
    _refuse_long(text)  # some letters are longer when they are composed
    return text


def _refuse_long(text: str) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_RESULT_BYTES:
        raise InvalidAnswer(f"the answer is longer than {MAX_RESULT_BYTES} bytes")


def _text_complaints(document: Any, own: Set[str], *, has_links: bool) -> Iterator[str]:
    """The texts that a phone must not be made to render."""
    for place, text in _placed(document):
        yield from (f"{place}: {flaw}" for flaw in plain.flaws(text))
        # What is not composed came in as \uXXXX.
        if not has_too_many_marks(text) and not unicodedata.is_normalized("NFC", text):
            yield f"{place}: write characters themselves, not as escapes"
        shown = plain.without_https(text) if has_links else text
        if plain.has_markup(shown) and folded(text) not in own:
            yield f"{place}: holds markup, plain text is wanted"
        if any(not any(each in said for said in own) for each in plain.addresses(folded(shown))):
            yield f"{place}: must not hold a link" + " but to a plain https:// address" * has_links


def _placed(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each text with its place; a name that the model chose is a text, too."""
    match node:
        case dict():
            for key, child in node.items():
                yield f"{place} (a name)", key
                yield from _placed(child, f"{place}.{key}" if place else key)
        case list():
            for i, child in enumerate(node):
                yield from _placed(child, f"{place}.{i}")
        case str():
            yield place, node
