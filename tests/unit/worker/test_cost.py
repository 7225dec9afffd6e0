"""What a call costs, and that every token of a job is on the job and in the ledger."""

import asyncio
import json
import logging
import re
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

import prices
from bench.ladder import template_ladder
from climb import Climb
from ladder import Ladder
from prices import Price, known_price, listed_prices, priced
from prompt import first_ask
from provider import Provider
from providers.outcomes import UNREPORTED, Down, Misconfigured, Throttled
from simmer.jobs.job import Usage
from simmer.tasks.recipe import TASK, RecipeRequest
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused
from tests.unit.worker.fakes import REQUEST, USAGE, VALID, FakeProvider, Hang, Said, job, truncated
from tests.unit.worker.fakes import refused as refusal
from tests.unit.worker.servers import Crude, completion, says
from tests.unit.worker.workshop import (
    BEATING,
    LADDER,
    LARGE_MICROUSD,
    SMALL_MICROUSD,
    Keys,
    Workshop,
)


def price(fresh: str, cached: str, output: str) -> Price:
    return Price.model_validate({"input": fresh, "cachedInput": cached, "output": output})


@pytest.fixture
def shop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


# --- The price of a call --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "microusd"),
    [
        ((0, 0, 0), 0),
        ((1_000_000, 0, 0), 750_000),
        ((1_000_000, 1_000_000, 0), 75_000),
        ((0, 0, 1_000_000), 4_500_000),
        ((1000, 400, 200), 450 + 30 + 900),
        ((1, 0, 0), 1),  # 0.75 of a microdollar
        ((4, 0, 0), 3),
        ((5, 0, 0), 4),
        ((40, 40, 0), 3),
        ((41, 41, 0), 4),
        ((100, 900, 0), 8),  # more cached than there were: as many as there were
    ],
)
def test_a_call_costs_its_fresh_its_cached_and_its_output_tokens_rounded_up(
    tokens: tuple[int, int, int], microusd: int
) -> None:
    used = Usage(
        calls=1, input_tokens=tokens[0], cached_input_tokens=tokens[1], output_tokens=tokens[2]
    )
    with_cost = priced(used, "m", price("0.75", "0.075", "4.50"))
    assert with_cost.cost_microusd == microusd
    assert asdict(with_cost) == asdict(used) | {"cost_microusd": microusd}


@pytest.mark.parametrize("tokens", range(1, 400, 7))
def test_a_price_is_decimal_so_that_no_call_is_rounded_up_for_a_bit(tokens: int) -> None:
    assert priced(Usage(input_tokens=10 * tokens), "m", price("0.1", "0", "0")) == Usage(
        input_tokens=10 * tokens, cost_microusd=tokens
    )


def test_the_rungs_own_price_comes_before_the_tables() -> None:
    used = Usage(input_tokens=1_000_000)
    table = known_price("gpt-5.5")
    assert table is not None
    assert priced(used, "gpt-5.5").cost_microusd == table.input * 1_000_000
    assert priced(used, "gpt-5.5", price("1", "1", "1")).cost_microusd == 1_000_000


def test_a_rungs_price_is_read_exactly_from_the_ladders_json() -> None:
    text = '[{"model": "m", "price": {"input": 0.1, "cachedInput": 0.075, "output": 3}}]'
    assert Ladder.parse(text)[0].price == price("0.1", "0.075", "3")


@pytest.mark.parametrize(
    "wrong",
    [
        '{"input": 1, "output": 1}',
        '{"input": -1, "cachedInput": 0, "output": 1}',
        '{"input": 1e999, "cachedInput": 0, "output": 1}',
        '{"input": 1, "cachedInput": 0, "output": 1, "currency": "EUR"}',
        '{"input": "much", "cachedInput": 0, "output": 1}',
        "1",
    ],
)
def test_a_price_that_is_none_is_refused_with_the_ladder(wrong: str) -> None:
    with pytest.raises(ValueError, match="price"):
        Ladder.parse(f'[{{"model": "m", "price": {wrong}}}]')


def test_a_model_without_a_price_costs_nothing_and_is_logged_once(
    records: list[logging.LogRecord],
) -> None:
    prices.known_price.cache_clear()
    for _ in range(3):
        assert priced(USAGE, "made-up-model") == USAGE
    [warning] = [record for record in records if record.msg == "price unknown"]
    assert (warning.levelname, vars(warning)["model"]) == ("WARNING", "made-up-model")


@pytest.mark.parametrize("name", ["gpt-5.4-mini-2026-03-17", "gpt-5.4-mini-20260317"])
def test_a_dated_snapshot_has_its_models_price(name: str) -> None:
    assert known_price(name) == known_price("gpt-5.4-mini") is not None
    assert known_price("gpt-5.4-mini-turbo") is None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("openai/gpt-5.4-mini", "gpt-5.4-mini"),
        ("openrouter/openai/gpt-5.4-mini", "gpt-5.4-mini"),
        ("OpenAI/GPT-5.4-Mini", "gpt-5.4-mini"),
        ("azure/gpt-5.5-2026-04-23", "gpt-5.5"),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5-latest", "claude-haiku-4-5"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("openai.gpt-6-luna", "gpt-6-luna"),
        ("publishers/anthropic/models/claude-opus-4-8@default", "claude-opus-4-8"),
        ("models/gemini-3.5-flash", "gemini-3.5-flash"),
        ("google/gemini-3.5-flash@001", "gemini-3.5-flash"),
        ("gemini-3.5-flash-001", "gemini-3.5-flash"),
        ("x-ai/grok-4.5", "grok-4.5"),
    ],
)
def test_a_routers_name_and_a_snapshot_have_their_models_price(name: str, model: str) -> None:
    assert known_price(name) == known_price(model) is not None


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5.4-mini:free",  # free today, and not by its name
        "openai/gpt-5.4:online",  # a search is billed on top
        "anthropic/claude-sonnet-4.6:beta",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",  # a tenth more
        "gpt-5.4-pro",
        "gpt-5.4-mini-fast",
        "ft:gpt-5.4-mini-2026-03-17:us::1",
        "gpt-5.4-mini/ours",
        "gpt",
        "",
        "latest",
        "openai/",
        "a\nb/gpt-5.4-mini\n",
    ],
)
def test_what_may_cost_otherwise_has_no_price_of_the_tables(name: str) -> None:
    assert known_price(name) is None


# --- The table ------------------------------------------------------------------------------------


def test_the_table_says_its_date_its_unit_and_where_it_comes_from() -> None:
    table = json.loads(prices._TABLE.read_text())
    assert table.keys() == {"asOf", "unit", "note", "sources", "models"}
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", table["asOf"])
    assert table["unit"] == "USD per million tokens"
    assert "check" in table["note"]
    assert all(source.startswith("https://") for source in table["sources"])


def test_the_table_knows_the_models_of_the_templates_ladder() -> None:
    for model in ("gpt-5.4-mini", "gpt-5.5", *(rung.model for rung in template_ladder())):
        assert known_price(model) is not None


def test_every_name_of_the_table_is_one_of_its_own() -> None:
    models = listed_prices()
    assert {model for model in models if known_price(model) != models[model]} == set()
    assert len(prices._prices()) == len(models)


def test_no_price_of_the_table_is_a_slip() -> None:
    for model, each in listed_prices().items():
        assert Decimal(0) < each.cached_input < each.input < each.output < Decimal(1000), model


# --- The cost of a job ----------------------------------------------------------------------------


def broken(tokens: int) -> Down:
    """A body without an answer in it that says what it consumed."""
    return Down("no choices", Usage(calls=1, input_tokens=tokens))


@pytest.mark.parametrize(
    ("answers", "small", "large"),
    [
        ([VALID], 1, 0),
        (["nonsense", VALID], 2, 0),
        (["nonsense", "nonsense", VALID], 2, 1),
        (["nonsense", "nonsense", "nonsense", "nonsense"], 2, 2),
        ([truncated(), VALID], 2, 0),
        ([truncated(), truncated(), refusal()], 2, 1),
        ([refusal(), refusal()], 1, 1),
        ([Down("status 500"), VALID], 0, 1),
        (["nonsense", Down("timeout"), VALID], 1, 1),
        ([Misconfigured("status 401"), VALID], 0, 1),
        ([Throttled("status 429", 1.0), "nonsense", Down("timeout")], 0, 1),
        ([KeyError("bug")], 0, 0),
        (["nonsense", KeyError("bug")], 1, 0),
    ],
    ids=lambda value: (
        " ".join(
            "valid" if said is VALID else getattr(said, "ending", None) or str(said)
            for said in value
        )
        if isinstance(value, list)
        else None
    ),
)
def test_every_call_of_a_job_is_on_the_job_and_in_the_ledger(
    shop: Workshop, answers: list[Any], small: int, large: int
) -> None:
    stored = shop.job(FakeProvider(answers))
    assert stored["calls"] == small + large
    assert stored["input_tokens"] == (small + large) * USAGE.input_tokens
    assert stored["cached_input_tokens"] == (small + large) * USAGE.cached_input_tokens
    assert stored["output_tokens"] == (small + large) * USAGE.output_tokens
    assert stored["cost_microusd"] == small * SMALL_MICROUSD + large * LARGE_MICROUSD
    assert shop.entry("small").usage.cost_microusd == small * SMALL_MICROUSD
    assert shop.entry("large").usage.cost_microusd == large * LARGE_MICROUSD
    assert (shop.entry("small").usage.calls, shop.entry("large").usage.calls) == (small, large)


def test_a_failed_call_that_said_what_it_consumed_is_paid_for_too(shop: Workshop) -> None:
    stored = shop.job(FakeProvider([broken(1000), VALID]))
    assert (stored["status"], stored["calls"]) == ("completed", 2)
    assert stored["cost_microusd"] == 1000 + LARGE_MICROUSD
    assert shop.entry("small").usage.input_tokens == 1000


def test_a_day_of_jobs_adds_up_to_its_ledger(shop: Workshop) -> None:
    lots: list[list[Said]] = [
        [VALID],
        ["nonsense", VALID],
        ["nonsense", "nonsense", VALID],
        ["nonsense", "nonsense", "nonsense", "nonsense"],
        [refusal(), refusal()],
        [Down("timeout", UNREPORTED), truncated(), VALID],
    ]
    for answers in lots * 3:
        shop.clock.advance(7)
        shop.job(FakeProvider(answers))
    fields = asdict(Usage())
    jobs = shop.cloud.jobs()
    entries = [shop.entry("small"), shop.entry("large")]
    assert len(jobs) == 18
    for name in fields:
        booked = sum(asdict(entry.usage)[name] for entry in entries)
        assert booked == sum(int(job[name]) for job in jobs) > 0, name
    completed = [job for job in jobs if job["status"] == "completed"]
    assert [entry.jobs for entry in entries] == [6, 6]
    assert sum(entry.jobs for entry in entries) == len(completed)
    assert sum(sum(entry.took_by_parts.values()) for entry in entries) == len(completed)


def test_a_job_is_counted_for_the_model_that_answered_and_no_other(shop: Workshop) -> None:
    shop.job(FakeProvider(["nonsense", "nonsense", VALID]))
    small, large = shop.entry("small"), shop.entry("large")
    assert (small.usage.calls, small.jobs, small.took_by_parts) == (2, 0, {})
    assert (large.usage.calls, large.jobs, sum(large.took_by_parts.values())) == (1, 1, 1)


def test_two_rungs_of_one_model_are_one_entry(shop: Workshop) -> None:
    shop.admit()
    shop.run(FakeProvider(["nonsense", "nonsense", VALID]), [LADDER[0], LADDER[0]])
    assert shop.entry("small").usage.calls == 3
    assert shop.entry("small").jobs == 1


def test_what_a_climb_consumed_is_known_by_model_at_any_moment() -> None:
    provider = FakeProvider(["nonsense", "nonsense", VALID])
    climbing = Climb(
        ladder=Ladder.parse(json.dumps(LADDER)),
        provider=provider,
        job=job(),
        seconds_for_a_call=lambda: 60.0,
    )
    asyncio.run(climbing.run())
    assert {model: usage.calls for model, usage in climbing.usage_by_model.items()} == {
        "small": 2,
        "large": 1,
    }
    assert climbing.answered_by == "large"
    assert climbing.usage.cost_microusd == 2 * SMALL_MICROUSD + LARGE_MICROUSD


# --- An attempt that may not write to its job -----------------------------------------------------


def test_what_a_worker_spent_that_lost_its_lease_is_in_the_ledger_all_the_same(
    shop: Workshop,
) -> None:
    admitted = shop.admit()

    def meanwhile() -> str:
        shop.cloud.edit_job(admitted.job_id, lease_token="another worker's")
        return VALID

    shop.run(FakeProvider([meanwhile]))
    assert shop.cloud.job(admitted.job_id)["calls"] == 0
    entry = shop.entry("small")
    assert (entry.usage.calls, entry.usage.cost_microusd) == (1, SMALL_MICROUSD)
    assert (entry.jobs, entry.took_by_parts) == (0, {})


def test_what_an_aborted_attempt_had_spent_is_in_the_ledger(shop: Workshop) -> None:
    admitted = shop.admit()

    def meanwhile() -> Hang:
        shop.cloud.edit_job(admitted.job_id, status="cancelled", lease_token=None)
        return Hang()

    shop.run(FakeProvider(["nonsense", meanwhile]), **BEATING)
    assert shop.cloud.job(admitted.job_id)["calls"] == 0
    assert shop.entry("small").usage.calls == 1


def test_what_an_overdue_attempt_had_spent_is_in_the_ledger(shop: Workshop) -> None:
    shop.admit()

    def meanwhile() -> str:
        shop.clock.advance(3600)
        return VALID

    shop.run(FakeProvider([meanwhile]))
    assert shop.entry("small").usage.cost_microusd == SMALL_MICROUSD
    assert shop.entry("small").jobs == 0


def test_a_job_that_nothing_was_spent_on_writes_nothing_to_the_ledger(shop: Workshop) -> None:
    shop.job(FakeProvider([Down("timeout"), Down("timeout")]))
    assert shop.cloud.calls.count("update_item") == 2  # claim and fail


def test_a_ledger_that_cannot_be_written_fails_no_job_and_its_figures_are_logged(
    shop: Workshop, records: list[logging.LogRecord]
) -> None:
    admitted = shop.admit()
    unavailable = refused("ProvisionedThroughputExceededException")
    add = shop.ledger.add

    def fails(*arguments: Any, **options: Any) -> None:
        shop.cloud.dynamodb.fail("update_item", unavailable)
        add(*arguments, **options)

    shop.ledger.add = fails  # type: ignore[method-assign]
    shop.run(FakeProvider(["nonsense", VALID]))
    assert shop.cloud.job(admitted.job_id)["status"] == "completed"
    assert shop.entry("small").usage == Usage()
    [error] = [record for record in records if record.msg == "ledger not written"]
    assert error.levelname == "ERROR"
    logged = vars(error)
    assert (logged["model"], logged["calls"]) == ("small", 2)
    assert logged["cost_microusd"] == 2 * SMALL_MICROUSD


# --- What a call sends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "takes"),
    [
        ({}, True),
        ({"baseUrl": "https://api.openai.com/v1"}, True),
        ({"baseUrl": "https://eu.api.openai.com/v1"}, True),
        ({"baseUrl": "https://api.openai.com.example/v1"}, False),
        ({"baseUrl": "https://notapi.openai.com.co/v1"}, False),
        ({"baseUrl": "https://api.anthropic.com/v1"}, False),
        ({"baseUrl": "http://127.0.0.1:8000/v1"}, False),
        ({"baseUrl": "http://127.0.0.1:8000/v1", "promptCache": True}, True),
        ({"promptCache": False}, False),
    ],
)
def test_a_cache_key_is_for_endpoints_that_take_one(rung: dict[str, Any], takes: bool) -> None:
    [asked] = Ladder.parse(json.dumps([{"model": "m", **rung}]))
    assert asked.takes_prompt_cache_key is takes


async def _sent(server: Crude, request: dict[str, Any], rung: dict[str, Any]) -> dict[str, Any]:
    """The body of a call."""
    text = json.dumps([{"model": "m", "baseUrl": f"{server.url}/v1", **rung}])
    [asked] = Ladder.parse(text)
    await Provider("keys", Keys()).ask(
        asked,
        first_ask(TASK, asked, json.dumps(request)),
        None,
        max_output_tokens=100,
        timeout_seconds=5,
    )
    return server.bodies[-1]


@pytest.mark.enable_socket
def test_requests_with_the_same_beginning_have_the_same_cache_key() -> None:
    egg = {"ingredients": ["egg"]}
    calls: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (REQUEST, {"promptCache": True}),
        (egg, {"promptCache": True}),
        (egg, {"promptCache": True, "model": "n"}),
        (egg, {"promptCache": True, "structured": "prompt"}),
        (egg, {}),
    ]

    async def call(server: Crude) -> list[str | None]:
        return [(await _sent(server, *said)).get("prompt_cache_key") for said in calls]

    with Crude() as server:
        server.answer = says(completion())
        first, same, other_model, other_prompt, none = asyncio.run(call(server))
    assert none is None
    assert first == same
    assert len({first, other_model, other_prompt, None}) == 4
    assert len(first or "") <= 64, "OpenAI takes no longer ones"


def test_a_request_is_shown_with_nothing_in_it_that_says_nothing() -> None:
    [asked] = Ladder.parse('[{"model": "m"}]')
    stored = json.dumps({**REQUEST, "dietary": [], "difficulty": None}, indent=2)
    shown = str(first_ask(TASK, asked, stored)[1].get("content"))
    assert shown == (
        '<request>\n{"ingredients":["두부","Tofu","crème fraîche"],"servings":2,"count":2,'
        '"maxCookingTime":30,"locale":"en"}\n</request>'
    )


def test_an_ingredient_that_is_named_twice_is_sent_once_in_its_first_spelling() -> None:
    request = RecipeRequest.model_validate(
        {"ingredients": ["Egg", "leek", " egg ", "두부", "EGG", "두부", "leek"]}
    )
    assert request.ingredients == ["Egg", "leek", "두부"]
    again = RecipeRequest.model_validate_json(
        request.model_dump_json(by_alias=True, exclude_none=True)
    )
    assert again == request


def test_thirty_ingredients_are_counted_before_repeats_are_dropped() -> None:
    with pytest.raises(ValueError, match="at most 30"):
        RecipeRequest.model_validate({"ingredients": ["egg"] * 31})
