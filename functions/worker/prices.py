"""What calls cost: prices in USD per million tokens, which is microdollars per token.

They stand in `prices.json`, dated; a rung's own price comes first. A model without any costs
nothing and never touches the budget, which is logged once.
"""

import math
import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from simmer.jobs.job import Usage
from simmer.text import strict_json

_TABLE = Path(__file__).with_name("prices.json")

# A snapshot's date: gpt-5.4-mini-2026-03-17, claude-haiku-4-5-20251001.
_SNAPSHOT = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")

logger = Logger(service="simmer", child=True)

# Decimal: in binary 3 times 0.1 is more than 0.3, and would be rounded up to a microdollar more.
type Usd = Annotated[Decimal, Field(ge=0)]


class Price(BaseModel):
    """USD per million tokens. `cached_input` is for those that the provider had in its cache."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    input: Usd
    cached_input: Usd
    output: Usd


class _Table(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    as_of: str
    unit: str
    note: str
    models: dict[str, Price]


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
    """The model's price in the table, by its name with or without the date of a snapshot."""
    models = _table().models
    price = models.get(model) or models.get(_SNAPSHOT.sub("", model))
    if price is None:
        logger.warning("price unknown", extra={"model": model})
    return price


@cache
def _table() -> _Table:
    return _Table.model_validate(strict_json.loads(_TABLE.read_text()))
