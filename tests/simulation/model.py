"""The model of a schedule: it takes the place of the provider's SDK, and may answer wrongly."""

import json
from typing import Any

from provider import Answer, Down, ProviderFailure, Throttled
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
        data = str(messages[1]["content"]).splitlines()[1]
        ingredient = json.loads(data)["ingredients"][0]
        is_paid = is_given_up = False

        def effect() -> tuple[Answer, bool]:
            nonlocal is_paid  # one that the network sent twice is not a second one
            if not is_paid:
                is_paid = True
                history.model_calls[ingredient] += 1
                history.useless_calls[ingredient] += is_given_up
            return self._answer(ingredient)

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
        history.useless_calls[ingredient] += not is_good
        history.answers[ingredient] += 1
        return answer

    def _answer(self, ingredient: str) -> tuple[Answer, bool]:
        """The model's answer, and True if it is a good one."""
        random = self._world.random
        good = {**VALID_RECIPE, "ingredients": [ingredient]}
        text, ending = json.dumps({"recipes": [good]}), "stop"
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
                    (json.dumps({"recipes": [{**good, "servings": 3}]}), "stop"),
                    (json.dumps({"recipes": [{**good, "thumbnailUrl": "https://x.y"}]}), "stop"),
                )
            )
        usage = Usage(calls=1, input_tokens=100, output_tokens=100)
        return Answer(text, ending, usage), is_good  # type: ignore[arg-type]
