"""The stand-in's search finds an answer that fits, for tasks that ship and for others."""

import importlib.util
import random
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.model.search import complaints, good_answer
from local.task_checks import check_task
from simmer.task import AnyTask, find_task
from simmer.tasks import task_names

type Json = dict[str, Any]

OTHERS = Path(__file__).with_name("others")


def _other(name: str) -> AnyTask:
    """A task of a kind that does not ship; its types are looked up in its module."""
    spec = importlib.util.spec_from_file_location(f"others_{name}", OTHERS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    task: AnyTask = module.TASK
    return task


def _some(chance: random.Random, **choices: object) -> Json:
    """Each of them, or not."""
    return {name: value for name, value in choices.items() if chance.random() < 0.5}


def _receipt(chance: random.Random) -> Json:
    names = ["Oat milk", "Bread x2", "라면", "Tea & scones", "Apples (3)", "Coke 0,5l"]
    prices = {name: chance.randint(1, 9999) / 100 for name in chance.sample(names, 3)}
    shop = chance.choice(["GREEN MARKET", "Bäckerei Holm", "한강마트"])
    lines = [shop, chance.choice(["2026-11-21", "03.10.2026", "-"])]
    lines += [f"{name} {price}" for name, price in prices.items()]
    return {"text": "\n".join([*lines, f"TOTAL USD {sum(prices.values()):.2f}"])}


def _workout(chance: random.Random) -> Json:
    level = chance.choice(["beginner", "regular", "athlete"])
    equipment = chance.sample(["kettlebell", "barbell", "요가 매트", "band"], chance.randint(0, 4))
    some = _some(chance, level=level, equipment=equipment, avoid="my knee", locale="ko")
    return {"minutes": chance.randint(5, 120), **some}


def _itinerary(chance: random.Random) -> Json:
    city = chance.choice(["Lisbon", "서울", "São Paulo", "Ulm (Donau)"])
    start = f"2027-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    some = _some(
        chance,
        utcOffsetMinutes=chance.choice([-720, -180, 330, 840]),
        budget=chance.choice([0, 5, 50, 100.5]),
        interests=chance.sample(["art", "food", "nature"], chance.randint(0, 3)),
        locale="pt-BR",
    )
    return {"city": city, "start": start, "days": chance.randint(1, 5), **some}


def _feedback(chance: random.Random) -> Json:
    messages = [
        {
            "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "text": chance.choice(["ok", "Too dear!", "おいしい", "Cold and late", "Great bread"]),
            "orderNumber": chance.randint(10**12, 2**53 - 1),
            **_some(chance, link="https://example.com/a?b=1"),
        }
        for _ in range(chance.randint(1, 3))
    ]
    topics = chance.sample(["price", "taste", "delivery"], chance.randint(1, 3))
    within = chance.choice(["PT1H", "P2D", "PT5M"])
    return {"messages": messages, **_some(chance, topics=topics, answerWithin=within)}


def _plan(chance: random.Random) -> Json:
    month = chance.randint(1, 11)
    people = [
        {"name": name, "role": chance.choice(["design", "build", "test"])}
        for name in chance.sample(["Ann", "Cy", "민준", "Zoë"], chance.randint(1, 3))
    ]
    span = {
        "startsAt": f"2027-{month:02}-01T07:00:00{chance.choice(['Z', '+09:00'])}",
        "endsAt": f"2027-{month + 1:02}-{chance.randint(1, 20):02}T18:00:00Z",
    }
    some = _some(chance, budgetHours=chance.randint(1, 500), locale="en")
    return {"project": chance.choice(["Roof", "새 창고"]), "span": span, "people": people, **some}


def _parcel(chance: random.Random) -> Json:
    parcel = {"size": [chance.randint(1, 300) for _ in range(3)], "weightKg": 2.25}
    carriers = chance.sample(["post", "bike", "freight"], chance.randint(0, 3))
    limits = {each: chance.choice([0, 0.5, 7, 250]) for each in carriers}
    sender, receiver = {"city": "Ulm"}, {"city": "세종", "postcode": "30113"}
    some = _some(chance, zone=chance.randint(1, 3), limits=limits, coupon="A7", locale="pt-BR")
    return {"sender": sender, "receiver": receiver, "parcels": [parcel], **some}


ASKED: dict[str, Callable[[random.Random], Json]] = {
    "receipt": _receipt,
    "workout": _workout,
    "itinerary": _itinerary,
    "feedback": _feedback,
    "plan": _plan,
    "parcel": _parcel,
}
SHIPPED = sorted(ASKED.keys() & task_names())
TASKS = {name: find_task(name) for name in SHIPPED} | {
    file.stem: _other(file.stem) for file in sorted(OTHERS.glob("[a-z]*.py"))
}


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_task_is_one_that_works(name: str) -> None:
    check_task(TASKS[name], f"simmer/tasks/{name}.py")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", sorted(TASKS))
def test_an_answer_fits_whatever_is_asked(name: str, seed: int) -> None:
    request = ASKED[name](random.Random(seed))

    assert complaints(TASKS[name], request, good_answer(TASKS[name], request)) == 0
