"""The prices of calls, in USD per million tokens, which is microdollars per token.

They stand in `prices.json`, dated; a rung's own price comes first. A model without any counts as
costing nothing, which is logged once and rouses an alarm; together with a budget it is refused.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from simmer.jobs.job import Usage
from simmer.text import strict_json

_TABLE = Path(__file__).with_name("prices.json")

# What vendors and routers write around a model's name. A suffix like `:free` or `:online` stays:
# it is another price. So does a region (`us.anthropic.`), which costs a tenth more on Bedrock.
_AROUND = re.compile(
    r"^(?:.*/)?"  # openai/, openrouter/anthropic/, publishers/google/models/
    r"(?:(?:global\.)?(?:anthropic|openai)\.)?"  # Bedrock: global.anthropic.claude-haiku-4-5
    r"(?P<name>.*?)"
    r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{3}|latest|default))?"  # -2026-03-17, @20251001, -001
    r"(?:-v\d+(?::\d+)?)?\Z",  # Bedrock: -v1:0
    re.DOTALL,
)

logger = Logger(service="simmer", child=True)

# Decimal: in binary 3 times 0.1 is more than 0.3, and would be rounded up to a microdollar more.
type Usd = Annotated[Decimal, Field(ge=0)]


class Price(BaseModel):
    """USD per million tokens. `cached_input` is for those that the provider had in its cache."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    input: Usd
    cached_input: Usd
    output: Usd


def priced(usage: Usage, model: str, own: Price | None = None) -> Usage:
    """The usage with what it cost, rounded up to a microdollar; `own` is the rung's own price."""
    price = own or known_price(model)
    if price is None:
        return usage
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cost_microusd = (
        (usage.input_tokens - cached) * price.input
        + cached * price.cached_input
        + usage.output_tokens * price.output
    )
    return replace(usage, cost_microusd=math.ceil(cost_microusd))


@cache
def known_price(model: str) -> Price | None:
    """The model's price in the table, under any name that vendors and routers have for it."""
    price = _prices().get(_plain_name(model))
    if price is None:
        logger.warning("price unknown", extra={"model": model})
    return price


class UnpricedRung(ValueError):
    """The deployment is wrong: a budget, and a rung of which nobody knows what it costs."""


def require_prices(rungs: Iterable[tuple[str, Price | None]], daily_budget_usd: float) -> None:
    """`UnpricedRung` if there is a budget, and a rung (its model, its own price) without a price.

    Its calls would cost nothing, and the budget would never end.
    """
    if not daily_budget_usd:
        return
    for number, (model, own) in enumerate(rungs, start=1):
        if (own or known_price(model)) is None:
            raise UnpricedRung(
                f"ModelLadder, rung {number}: the price of {model!r} is unknown, and with "
                "DailyBudgetUsd every rung must have one. Say what the model costs in USD per "
                'million tokens: "price": {"input": …, "cachedInput": …, "output": …}, all 0 if '
                "it is free; or take the budget away."
            )


def _plain_name(model: str) -> str:
    """The name without prefix and snapshot; routers write 5.5 where Anthropic writes 5-5."""
    around = _AROUND.match(model.casefold())
    return (around["name"] if around else model).replace(".", "-")


@cache
def _prices() -> Mapping[str, Price]:
    return {_plain_name(model): price for model, price in listed_prices().items()}


def listed_prices() -> Mapping[str, Price]:
    """The prices of the table, by the names that stand there."""
    table = strict_json.loads(_TABLE.read_text())
    return TypeAdapter(dict[str, Price]).validate_python(table["models"])
