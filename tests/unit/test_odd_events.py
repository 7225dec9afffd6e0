"""Events that no gateway sends: the functions answer, and nobody is woken."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.cancel import app as cancel_app
from functions.push import app as push_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from tests.unit.events import cancel_event, status_event, submit_event
from tests.unit.odd_records import ANYTHING, TRIED, changed, places

type Function = Callable[[Any, Any], dict[str, Any]]

HANDLERS: dict[str, tuple[Function, Callable[..., Any]]] = {
    "submit": (submit_app.handler, submit_event),
    "status": (status_app.handler, status_event),
    "cancel": (cancel_app.handler, cancel_event),
}


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", HANDLERS)
@TRIED
@given(data=st.data())
def test_whatever_stands_in_an_event_is_answered(name: str, data: st.DataObject) -> None:
    handler, event_of = HANDLERS[name]
    event = event_of({"ingredients": ["egg"]}) if name == "submit" else event_of("0" * 32)
    place = data.draw(st.sampled_from(places(event)))

    answer = handler(changed(event, place, data.draw(ANYTHING)), None)

    assert answer["statusCode"] < 500


# Half a character, what ends a C string, what no issuer allows, what a path or a key would mean.
ODD: tuple[Any, ...] = (
    *("", " ", "\x00", "\ud800", "a\udfff", "\u202e", "x" * 10_240, "../..", "job#x", "%00", "{}"),
    *(True, 0, -1, 2**70, 1e308, [], ["alice"], {}, {"alice": "alice"}, None),
)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_odd_value_at_each_place_is_answered(name: str, odd: Any) -> None:
    handler, event_of = HANDLERS[name]
    event = event_of({"ingredients": ["egg"]}) if name == "submit" else event_of("0" * 32)

    answers = {place: handler(changed(event, place, odd), None) for place in places(event)}

    assert {place: each for place, each in answers.items() if each["statusCode"] >= 500} == {}


@pytest.mark.parametrize("handler", [each for each, _ in HANDLERS.values()])
@TRIED
@given(event=ANYTHING)
def test_whatever_is_no_event_at_all_is_answered(handler: Callable[..., Any], event: Any) -> None:
    assert handler(event, None)["statusCode"] < 500


@TRIED
@given(event=ANYTHING)
def test_push_answers_what_is_no_event(event: Any) -> None:
    assert push_app.handler(event, None)["statusCode"] < 500
