"""A task of another kind than recipes, for the page: a parcel, with a field of every shape, and an
API that knows it, answering for the deployed one by Playwright's routes.
"""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from playwright.sync_api import Page, Route
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

type Json = dict[str, Any]


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Speed(StrEnum):
    SLOW = "slow"
    USUAL = "usual"
    NEXT_DAY = "next_day"
    SAME_DAY = "same_day"
    BY_THE_HOUR = "by_the_hour"


class Day(StrEnum):
    MONDAY = "monday"
    FRIDAY = "friday"
    SUNDAY = "sunday"


class Address(_Wire):
    street: Annotated[str, Field(min_length=1, max_length=80)]
    city: Annotated[str, Field(max_length=40)]
    floor: int | None = None


class Item(_Wire):
    name: Annotated[str, Field(max_length=60)]
    quantity: Annotated[int, Field(ge=1, le=99)]


class Card(_Wire):
    kind: Literal["card"] = "card"
    last_digits: Annotated[str, Field(pattern=r"^\d{4}$")]


class Cash(_Wire):
    kind: Literal["cash"] = "cash"
    change_for: Decimal | None = None


class ParcelRequest(_Wire):
    locale: Literal["en", "fr"] = "en"
    description: Annotated[str, Field(description="What is in it, in your own words.")]
    sender: Address
    pick_up: date
    deliver_at: datetime | None = None
    size: Literal["s", "m", "l"] = "m"
    speed: Speed
    weight: Annotated[float, Field(gt=0, le=30, description="In kilograms.")]
    declared_value: Decimal | None = None
    is_fragile: bool = False
    labels: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=3)] = []
    items: Annotated[list[Item], Field(min_length=1)]
    days: set[Day] = set()
    corner: tuple[float, float] = (0.0, 0.0)
    extras: dict[str, int] = {}
    payment: Annotated[Card | Cash, Field(discriminator="kind")]
    return_to: Address | None = None
    anything: Any = None


class Stop(_Wire):
    place: str
    on: date
    is_customs: bool


class Quote(_Wire):
    title: str
    price: Decimal
    arrives: date
    speed: Speed
    remarks: str
    stops: list[Stop]
    fees: dict[str, Decimal]
    labels: list[str]
    payment: Annotated[Card | Cash, Field(discriminator="kind")]
    insurance: str | None = None


EXAMPLE: Json = {
    "description": "Two mugs.\nWrapped in paper.",
    "sender": {"street": "Mill Lane 4", "city": "Leith", "floor": 2},
    "pickUp": "2026-12-01",
    "speed": "next_day",
    "weight": 1.5,
    "declaredValue": "24.50",
    "labels": ["fragile"],
    "items": [{"name": "mug", "quantity": 2}],
    "days": ["friday"],
    "corner": [1.5, 2.0],
    "extras": {"stickers": 3},
    "payment": {"kind": "cash", "changeFor": "50.00"},
}

QUOTE: Json = {
    "title": "Leith to Cork",
    "price": "18.40",
    "arrives": "2026-12-03",
    "speed": "next_day",
    "remarks": "Two mugs travel well.\nKeep them upright.",
    "stops": [
        {"place": "Leith", "on": "2026-12-01", "isCustoms": False},
        {"place": "Cork", "on": "2026-12-03", "isCustoms": True},
    ],
    "fees": {"customs": "3.00", "fuel": "1.40"},
    "labels": ["fragile"],
    "payment": {"kind": "card", "lastDigits": "4242"},
}

PARCEL: Json = {
    "name": "parcel_quote",
    "languages": ["en", "fr"],
    "request": ParcelRequest.model_json_schema(),
    "result": Quote.model_json_schema(),
    "example": EXAMPLE,
    "words": {"en": {"analyzing": "Weighing...", "generating": "Planning the way..."}},
}

# One flat task more, for the picker.
HAIKU: Json = {
    "name": "haiku",
    "languages": ["en"],
    "request": {
        "type": "object",
        "properties": {"about": {"type": "string", "maxLength": 60, "title": "About"}},
        "required": ["about"],
    },
    "result": {
        "type": "object",
        "properties": {"lines": {"type": "string"}},
        "required": ["lines"],
    },
    "example": {"about": "rain"},
    "words": {},
}

OPEN: Json = {
    "jobId": "p1",
    "status": "processing",
    "progress": 40,
    "stage": "analyzing",
    "message": "Weighing...",
    "estimatedSecondsRemaining": 20,
    "pollAfterMs": 250,
}
DONE: Json = {
    "jobId": "p1",
    "status": "completed",
    "progress": 100,
    "stage": "done",
    "message": "Done",
    "result": QUOTE,
}


def failed(code: str, *, retryable: bool = False) -> Json:
    error = {"error": "It failed.", "errorCode": code, "retryable": retryable}
    return {**OPEN, "status": "failed", "progress": 95, "stage": "done", **error}


class ParcelApi:
    """Answers the page's requests about parcels, by the models above.

    `status` is what a poll is told; `trace` what `/dev/trace` tells, nothing of it if None.
    `requests` are those accepted, as they were sent.
    """

    def __init__(
        self, page: Page, tasks: list[Json] | None = None, status_answer: Json | None = None
    ) -> None:
        self.status_answer = status_answer  # in the place of `status`
        self.requests: list[Json] = []
        self.status: Json = DONE
        self.trace: list[Json] | None = None
        page.route("**/dev/tasks", lambda route: route.fulfill(json=tasks or [PARCEL, HAIKU]))
        page.route("**/dev/trace/*", self._tell)
        page.route("**/parcel_quote/generate", self._generate)
        page.route("**/parcel_quote/status/*", self._status)
        page.route("**/parcel_quote/cancel/*", self._cancel)

    def _status(self, route: Route) -> None:
        route.fulfill(**(self.status_answer or {"json": self.status}))

    def _tell(self, route: Route) -> None:
        if self.trace is None:
            route.fulfill(status=404, json={"message": "Not Found"})
        else:
            route.fulfill(json=self.trace)

    def _generate(self, route: Route) -> None:
        try:
            ParcelRequest.model_validate_json(route.request.post_data or "")
        except ValidationError as error:
            route.fulfill(status=422, json=problem(422, "invalid_request", errors=_faults(error)))
            return
        self.requests.append(json.loads(route.request.post_data or ""))
        accepted = {"jobId": "p1", "status": "submitted", "message": "Accepted"}
        route.fulfill(status=202, json=accepted)

    def _cancel(self, route: Route) -> None:
        self.status = {**OPEN, "status": "cancelled", "progress": 95, "stage": "done"}
        route.fulfill(json=self.status)


def problem(status: int, code: str, **more: Any) -> Json:
    return {"type": "about:blank", "title": "T", "status": status, "code": code, **more}


def _faults(error: ValidationError) -> list[Json]:
    """As the API words them: a path of names and positions, joined by dots."""
    return [
        {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
        for fault in error.errors()
    ]
