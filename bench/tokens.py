"""`make bench-tokens`: tokens and dollars a job, from a plain prompt to the shipped one.

The plain prompt is a yardstick, written for this bench: the first prompt that a developer would
write who has a chat model and wants JSON from it. Each row makes one more change, and its
last column is the saving. The last row is the worker's prompt. The recipes are the same.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

import prompt
from bench.ladder import template_ladder
from bench.meter import CACHE_STEP, SHORTEST_CACHED_PREFIX, Encode, Meter, o200k
from bench.terminal import console
from bench.workload import Json, admitted, raw_requests, recipes_for
from ladder import Rung
from prices import priced
from prompt import Message
from simmer.jobs.job import Usage
from simmer.tasks.recipe import TASK

# It begins with what is new each time, as chatty prompts do.
GREETING = """\
Hello! It is job {n} of today: a user of our cooking app is standing in the kitchen and needs some \
inspiration. You are a world-class chef and a helpful assistant who loves to recommend recipes.
"""
WISHES = """\
Here is everything that the user told us:

{request}

Please recommend {count} recipes with the ingredients that the user has. If anything else is \
needed, list it under additionalIngredients. Please respect the servings, the maximum cooking \
time, the difficulty and the dietary wishes, and write step-by-step instructions in {language}.
"""
SHAPE = """\
Return ONLY valid JSON and no other text. It must match exactly this JSON schema:

{schema}
"""
LANGUAGES = {"ko": "Korean", "en": "English"}

# Of the app's interface, and what a model can only invent.
INVENTED = {"thumbnailUrl": "https://images.example.com/recipes/stew.jpg", "categoryId": "stews"}


@dataclass(frozen=True, slots=True)
class Call:
    """A job's call as one design makes it."""

    messages: Sequence[Message]
    response_format: Json | None
    answer: str


def designs(n: int, raw: Json, rung: Rung) -> dict[str, Call]:
    """The n-th job's call by each design, from the plain one to the shipped one."""
    request = admitted(raw)
    recipes = recipes_for(request)
    asked = {"recipes": recipes}
    invented = {"recipes": [{**recipe, **INVENTED} for recipe in recipes]}
    greeting, shipped_format = GREETING.format(n=n), dict(_shipped_format(rung))
    chatty = greeting + _wishes(raw, json.dumps(raw, indent=2, ensure_ascii=False))
    shipped = prompt.first_ask(TASK, rung, request)
    compact = str(shipped[1].get("content")).split("\n")[1]  # without its delimiters
    return {
        "plain prompt with the schema in it": Call(
            _user(chatty + SHAPE.format(schema=json.dumps(_whole_schema(), indent=2))),
            None,
            f"```json\n{json.dumps(invented, indent=2, ensure_ascii=False)}\n```",
        ),
        # A vendor puts the schema before the messages, and bills it. What comes back is bare.
        "structured mode": Call(
            _user(chatty),
            {"json_schema": {"name": TASK.name, "strict": True, "schema": _whole_schema()}},
            _bare(invented),
        ),
        "only what the model must write": Call(_user(chatty), shipped_format, _bare(asked)),
        "compact input": Call(
            _user(greeting + _wishes(raw, compact)), shipped_format, _bare(asked)
        ),
        "stable prefix, every rule in it": Call(shipped, shipped_format, _bare(asked)),
    }


def _user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def _wishes(raw: Json, request: str) -> str:
    language = LANGUAGES[raw["locale"]]
    return WISHES.format(request=request, count=raw["count"], language=language)


def _bare(document: Json) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _shipped_format(rung: Rung) -> Any:
    return prompt.response_format(TASK, rung)


def _whole_schema() -> Json:
    """The app's whole interface, as pydantic prints it."""
    schema = TASK.result_model.model_json_schema()
    (recipe,) = schema["$defs"].values()
    recipe["properties"]["thumbnailUrl"] = {"title": "Thumbnailurl", "type": "string"}
    for each in (schema, recipe):
        each.pop("description", None)  # our own words about the class
    recipe["properties"]["categoryId"].pop("x-not-asked", None)
    return schema


@dataclass(frozen=True, slots=True)
class Row:
    """A design's mean job."""

    name: str
    input_tokens: float
    cached_tokens: float
    output_tokens: float
    usd_per_1000: float


def measure(raws: list[Json], rung: Rung, encode: Encode) -> list[Row]:
    """Bill every request by each design, one job after another on a warm cache."""
    calls = [designs(n, raw, rung) for n, raw in enumerate(raws, 1)]
    names = list(calls[0])
    rows = [_row(name, [each[name] for each in calls], rung, Meter(encode)) for name in names]
    what_if = Meter(encode, shortest_cached_prefix=1, cache_step=1)
    last = [each[names[-1]] for each in calls]
    return [*rows, _row("(were a prefix of any length cached)", last, rung, what_if)]


def _row(name: str, calls: list[Call], rung: Rung, meter: Meter) -> Row:
    usage = Usage()
    for call in calls:
        usage += priced(
            meter.bill(call.messages, call.response_format, call.answer), rung.model, rung.price
        )
    n = len(calls)
    return Row(
        name,
        usage.input_tokens / n,
        usage.cached_input_tokens / n,
        usage.output_tokens / n,
        usage.cost_microusd / n / 1000,
    )


def stable_tokens(raw: Json, rung: Rung, encode: Encode) -> int:
    """The length of the part that is the same for every job."""
    system = prompt.first_ask(TASK, rung, admitted(raw))[:1]
    return Meter(encode, None).bill(system, _shipped_format(rung), "").input_tokens


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make bench-tokens", description=__doc__)
    arguments.add_argument("--n", type=int, default=300, help="how many jobs")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    out = console()
    cheap, _ = template_ladder()
    encode = o200k()
    raws = raw_requests(given.n, given.seed)
    out.print(
        f"{given.n} jobs of 3 recipes, half of them Korean, seed {given.seed}; "
        f"prices of {cheap.model}; tokens by o200k_base, means"
    )
    out.print(_table(measure(raws, cheap, encode)))
    out.print(
        f"The stable prefix has {stable_tokens(raws[0], cheap, encode)} tokens. OpenAI caches from "
        f"{SHORTEST_CACHED_PREFIX:,} on, in steps of {CACHE_STEP}: on these prices a shorter "
        "prefix saves nothing but what it leaves out."
    )
    return 0


def _table(rows: list[Row]) -> Table:
    table = Table("each row changes one thing more", box=box.SIMPLE_HEAD)
    for heading in ("input", "cached", "output", "USD per 1,000 jobs", "saved"):
        table.add_column(heading, justify="right")
    before = rows[0].usd_per_1000
    for row in rows:
        table.add_row(
            row.name,
            *(f"{n:,.0f}" for n in (row.input_tokens, row.cached_tokens, row.output_tokens)),
            f"{row.usd_per_1000:.2f}",
            f"{(before - row.usd_per_1000) / rows[0].usd_per_1000:.0%}" if row != rows[0] else "",
        )
        before = row.usd_per_1000
    return table


if __name__ == "__main__":
    sys.exit(main())
