"""A model that answers in parts, as scripted by the part that is asked for."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ladder import Rung
from prompt import Message
from provider import Provider
from providers.outcomes import Answer
from simmer.jobs.job import Job
from tests.unit.worker.fakes import RECIPE, USAGE, Hang
from tests.unit.worker.workshop import Workshop

TITLES = ["Fried tofu", "두부조림", "Tofu soup"]
REQUEST = {"ingredients": ["두부", "Tofu"], "servings": 2, "count": 3, "locale": "en"}
OUTLINE = json.dumps({"recipes": [{"title": title} for title in TITLES]}, ensure_ascii=False)

type Said = str | Answer | Exception | Hang


def part(title: str, **changes: Any) -> str:
    """A model's answer to the call for a part, as a model may lay it out."""
    recipe = {**RECIPE, "name": title, **changes}
    return json.dumps({"recipes": [recipe]}, ensure_ascii=False, indent=1)


@dataclass
class Cook(Provider):
    """Answers as scripted by the part that is asked for (`outline`, a title, or `whole`), and well
    beyond the script. `asked` are the parts of the calls, in order."""

    script: dict[str, list[Said]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    rungs: list[tuple[str, str]] = field(default_factory=list)
    messages: dict[str, list[Message]] = field(default_factory=dict)
    waits_for: Mapping[str, asyncio.Event] = field(default_factory=dict)

    async def ask(
        self,
        rung: Rung,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        name = self._name(messages, response_format)
        self.asked.append(name)
        self.rungs.append((name, rung.model))
        self.messages[name] = messages
        answers = self.script.get(name, [])
        said = answers.pop(0) if answers else self._good(name)
        if name in self.waits_for:
            await self.waits_for[name].wait()
        match said:
            case Hang():
                await asyncio.Event().wait()
                raise AssertionError
            case str():
                return Answer(said, "stop", USAGE)
            case Answer():
                return said
            case Exception():
                raise said

    def _name(self, messages: list[Any], response_format: Mapping[str, Any] | None) -> str:
        assert response_format is not None
        if response_format["json_schema"]["name"] == "recipe_outline":
            return "outline"
        lines = str(messages[1]["content"]).splitlines()
        if "<outline>" not in lines:
            return "whole"
        title: str = json.loads(lines[lines.index("<outline>") + 1])["part"]["title"]
        return title

    def _good(self, name: str) -> str:
        if name == "outline":
            return OUTLINE
        if name == "whole":
            return json.dumps(
                {"recipes": [{**RECIPE, "name": title} for title in TITLES]}, ensure_ascii=False
            )
        return part(name)


def admit(shop: Workshop, **fields: Any) -> Job:
    request = json.dumps({**REQUEST, **fields.pop("asks", {})}, ensure_ascii=False)
    shop_admit: Callable[..., Job] = shop.admit
    return shop_admit(**{**fields, "request": request})
