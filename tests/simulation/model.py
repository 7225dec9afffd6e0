"""The model of a schedule: it takes the place of the provider's SDK, and may answer wrongly."""

import asyncio
import json
import math
from typing import Any

from providers.outcomes import Answer, Down, ProviderFailure, Throttled
from simmer.jobs.job import Usage
from tests.simulation.history import VALID_RECIPE, History
from tests.simulation.remote import CallErrors, remote_async
from tests.simulation.world import World


class Model:
    """`wrongness` is how often it answers rubbish, `retry_after_seconds` what it says when it
    turns a call away."""

    def __init__(
        self,
        world: World,
        history: History,
        *,
        wrongness: float,
        retry_after_seconds: tuple[float | None, ...],
    ) -> None:
        self._world = world
        self._history = history
        self._wrongness = wrongness
        self._serial = 0
        self._errors = CallErrors(
            unreachable=lambda: Down("connection"),
            timed_out=lambda: Down("timeout"),
            throttled=lambda: Throttled("status 429", world.random.choice(retry_after_seconds)),
        )

    async def ask(
        self,
        rung: Any,
        messages: list[Any],
        response_format: Any,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        """One call; it is paid for once it has arrived, whatever becomes of the answer."""
        random, history = self._world.random, self._history
        lines = str(messages[1]["content"]).splitlines()
        ingredient = json.loads(lines[1])["ingredients"][0]
        titles: list[str] = [f"Dish {i}" for i in range(json.loads(lines[1])["count"])]
        is_outline = response_format["json_schema"]["name"] == "recipe_outline"
        if "<outline>" in lines:
            titles = [json.loads(lines[lines.index("<outline>") + 1])["part"]["title"]]
            history.asks_for_part(ingredient, titles[0])
        self._serial += 1
        serial = self._serial
        is_paid = is_given_up = False

        def effect() -> tuple[Answer, bool]:
            nonlocal is_paid  # one that the network sent twice is not a second one
            if not is_paid:
                is_paid = True
                history.model_calls[ingredient] += 1
                history.useless_calls[ingredient] += is_given_up
            return self._answer(ingredient, titles, serial, is_outline=is_outline)

        slow, process = self._when_slow(ingredient), self._world.current
        seconds = random.choice((1.0, 5.0, 20.0, 40.0, 60.0, 120.0 if self._wrongness else 30.0))
        try:
            answer, is_good = await remote_async(
                self._world,
                "model",
                effect,
                self._errors,
                timeout_seconds,
                min(seconds, timeout_seconds),
            )
            if seconds > timeout_seconds:
                raise Down("timeout")
        except ProviderFailure:
            is_given_up = True
            history.useless_calls[ingredient] += is_paid
            raise
        finally:
            history.call_ended(process, ingredient, self._world.clock() * 1000)
            if slow is not None:
                slow.cancel()
        history.useless_calls[ingredient] += not is_good
        history.answers[ingredient] += 1
        return answer

    def _when_slow(self, ingredient: str) -> asyncio.TimerHandle | None:
        """Have the call counted once it is slow, if workers know what that is. A worker that is
        killed then has no time to say so."""
        world, history, process = self._world, self._history, self._world.current

        def is_slow() -> None:
            history.slow_calls[ingredient] += process.alive

        if history.usual_seconds == math.inf:
            return None
        return world.loop.call_later(history.usual_seconds, is_slow)

    def _answer(
        self, ingredient: str, titles: list[str], serial: int, *, is_outline: bool
    ) -> tuple[Answer, bool]:
        """The model's answer, and True if it is a good one. No two outlines have the same titles,
        and no two recipes the same text."""
        random = self._world.random
        good = {**VALID_RECIPE, "ingredients": [ingredient], "instructions": f"Cook it {serial}."}
        plans: list[dict[str, Any]] = [{**good, "name": title} for title in titles]
        # The part of another title, where there is one.
        other = good if "of menu" in titles[0] else {**good, "servings": 4}
        if is_outline:
            plans = [{"title": f"{title} of menu {serial}"} for title in titles]
        text, ending = json.dumps({"recipes": plans}), "stop"
        is_good = random.random() >= self._wrongness
        if not is_good:
            text, ending = random.choice(
                (
                    ("Sorry, here is some prose.", "stop"),
                    (text[:-9], "stop"),
                    (text[:40], "truncated"),
                    ("", "refused"),
                    ("", "stop"),
                    (json.dumps({"recipes": [{**good, "ingredients": ["snail"]}]}), "stop"),
                    (json.dumps({"recipes": [{**good, "name": "Leftovers"}] * 2}), "stop"),
                    (json.dumps({"recipes": [other]}), "stop"),
                    (json.dumps({"recipes": [{**good, "servings": 3}]}), "stop"),
                    (json.dumps({"recipes": [{**good, "thumbnailUrl": "https://x.y"}]}), "stop"),
                )
            )
        usage = Usage(calls=1, input_tokens=100, output_tokens=100)
        return Answer(text, ending, usage), is_good  # type: ignore[arg-type]
