"""Requests as the app sends them, and answers as long as real ones; all from a seed."""

import json
import random
import re
from pydoc_data.topics import topics
from typing import Any

from local.model.own.recipe import cook
from simmer.tasks.recipe import TASK

type Json = dict[str, Any]

TASK_NAME = TASK.name

_LARDERS = {
    "ko": [
        "두부",
        "김치",
        "대파",
        "돼지고기",
        "달걀",
        "감자",
        "양파",
        "당근",
        "고추장",
        "마늘",
        "애호박",
    ],
    "en": ["tofu", "kimchi", "spring onion", "pork", "egg", "potato", "onion", "carrot", "garlic"],
}
_DIETS = {"ko": ["채식", "저염", "글루텐 프리"], "en": ["vegetarian", "low salt", "gluten free"]}


def raw_requests(n: int, seed: int) -> list[Json]:
    """Bodies as an app's form makes them: every field is there, filled in or not, and what was
    tapped twice is there twice."""
    chance = random.Random(seed)
    return [_raw_request(chance) for _ in range(n)]


def _raw_request(chance: random.Random) -> Json:
    locale = chance.choice(["ko", "en"])
    ingredients = chance.sample(_LARDERS[locale], chance.randint(2, 7))
    repeats = [f" {each}" for each in ingredients if chance.random() < 0.1]
    return {
        "ingredients": ingredients + repeats,
        "servings": chance.choice([1, 2, 2, 4]),
        "maxCookingTime": chance.choice([None, None, 30, 60]),
        "difficulty": chance.choice([None, None, "easy"]),
        "dietary": chance.sample(_DIETS[locale], 1) if chance.random() < 0.2 else [],
        "count": 3,
        "locale": locale,
    }


def admitted(raw: Json) -> str:
    """The validated request, as `simmer.jobs.admission` writes it to a job."""
    given = {name: value for name, value in raw.items() if value is not None}
    request = TASK.wire_model.model_validate(given)
    return request.model_dump_json(by_alias=True, exclude_none=True)


def recipes_for(request: str) -> list[Json]:
    """A good answer to an admitted request."""
    return cook(json.loads(request))


def _prose(characters: int) -> str:
    """English as people write it, which compresses as answers do: Python's own manual."""
    words = " ".join(re.findall(r"[A-Za-z,.]+", topics["specialnames"]))
    return words[:characters].ljust(characters, ".")


def long_answer(request: str, size_bytes: int) -> str:
    """The text of a good answer to an admitted request, so long."""
    recipes = recipes_for(request)
    short = size_bytes - len(json.dumps({"recipes": recipes}, ensure_ascii=False).encode())
    recipes[0]["instructions"] += " " + _prose(max(0, short - 1))
    return json.dumps({"recipes": recipes}, ensure_ascii=False)


def different_request(number: int, count: int) -> Json:
    """One of many that are no other's, for so many recipes."""
    return {"ingredients": [f"egg {number}", "leek", "tofu"], "count": count, "locale": "en"}
