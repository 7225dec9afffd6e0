"""The template's `ModelLadder`: its fields, and the errors of a wrong one."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from ladder import Ladder, Rung, UnusableLadder

FULL = """
[{"model": "cheap"},
 {"provider": "vllm", "model": "strong", "baseUrl": "http://127.0.0.1:8000/v1?version=2",
  "key": "anthropic", "keyHeader": "x-api-key", "structured": "prompt", "bounds": true,
  "maxOutputTokens": 100, "maxOutputTokensLimit": 150, "capField": "max_new_tokens",
  "timeoutSeconds": 0.5, "promptCache": true, "thinking": false, "reasoningEffort": "low",
  "temperature": 0.2, "seed": 7, "seedField": "random_seed", "serviceTier": "flex",
  "patienceSeconds": 60, "maxConcurrency": 2, "systemRole": "user",
  "extraBody": {"top_p": 0.9}, "headers": {"x-title": "Simmer", "x-token": {"secret": "more"}},
  "query": {"region": "eu"}, "stopReasons": ["done"],
  "price": {"input": 1, "cachedInput": 0.1, "output": 2.5}}]
"""


def test_only_the_model_is_required() -> None:
    (rung,) = Ladder.parse('[{"model": "cheap"}]')
    assert rung.model_dump() == {
        "model": "cheap",
        "base_url": "https://api.openai.com/v1",
        "key": "default",
        "structured": "json_schema",
        "bounds": False,
        "max_output_tokens": 4000,
        "timeout_seconds": 90,
        "prompt_cache": None,
        "price": None,
        "provider": None,
        "key_header": "Authorization",
        "max_output_tokens_limit": None,
        "cap_field": "max_completion_tokens",
        "thinking": None,
        "reasoning_effort": None,
        "temperature": None,
        "seed": None,
        "seed_field": "seed",
        "service_tier": None,
        "patience_seconds": 0,
        "max_concurrency": None,
        "system_role": "system",
        "extra_body": {},
        "headers": {},
        "query": {},
        "stop_reasons": (),
    }


def test_every_field_of_a_rung_can_be_set() -> None:
    assert Ladder.parse(FULL)[1].model_dump() == {
        "provider": "vllm",
        "model": "strong",
        "base_url": "http://127.0.0.1:8000/v1",
        "key": "anthropic",
        "key_header": "x-api-key",
        "structured": "prompt",
        "bounds": True,
        "max_output_tokens": 100,
        "max_output_tokens_limit": 150,
        "cap_field": "max_new_tokens",
        "timeout_seconds": 0.5,
        "prompt_cache": True,
        "price": {"input": Decimal(1), "cached_input": Decimal("0.1"), "output": Decimal("2.5")},
        "thinking": False,
        "reasoning_effort": "low",
        "temperature": 0.2,
        "seed": 7,
        "seed_field": "random_seed",
        "service_tier": "flex",
        "patience_seconds": 60,
        "max_concurrency": 2,
        "system_role": "user",
        "extra_body": {"top_p": 0.9},
        "headers": {"x-title": "Simmer", "x-token": {"secret": "more"}},
        "query": {"version": "2", "region": "eu"},
        "stop_reasons": ("done",),
    }


def test_the_rungs_keep_their_order() -> None:
    ladder = Ladder.parse(FULL)
    assert len(ladder) == 2
    assert [rung.model for rung in ladder] == ["cheap", "strong"]
    assert [rung.model for rung in ladder[1:]] == ["strong"]


def test_a_rung_cannot_be_changed() -> None:
    (rung,) = Ladder.parse('[{"model": "cheap"}]')
    with pytest.raises(ValidationError):
        rung.model = "other"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("{}", (), "valid list"),
        ("[]", (), "at least 1"),
        (f"[{','.join(['{"model": "m"}'] * 6)}]", (), "at most 5"),
        ("[{}]", (0, "model"), "Field required"),
        ('["gpt-5"]', (0,), "dictionary"),
        ('[{"model": ""}]', (0, "model"), "at least 1"),
        ('[{"model": 5}]', (0, "model"), "string"),
        ('[{"model": "m"}, {"model": "n", "modle": "m"}]', (1, "modle"), "not permitted"),
        ('[{"model": "m", "base_url": "http://x"}]', (0, "base_url"), "not permitted"),
        ('[{"model": "m", "baseUrl": "api.openai.com"}]', (0, "baseUrl"), "pattern"),
        ('[{"model": "m", "key": null}]', (0, "key"), "string"),
        ('[{"model": "m", "structured": "yes"}]', (0, "structured"), "json_schema"),
        ('[{"model": "m", "bounds": "maybe"}]', (0, "bounds"), "boolean"),
        ('[{"model": "m", "maxOutputTokens": 99}]', (0, "maxOutputTokens"), "100"),
        ('[{"model": "m", "timeoutSeconds": 0}]', (0, "timeoutSeconds"), "greater than 0"),
        ('[{"model": "m", "timeoutSeconds": 181}]', (0, "timeoutSeconds"), "180"),
        ('[{"model": "m", "timeoutSeconds": 1e999}]', (0, "timeoutSeconds"), "180"),
    ],
)
def test_a_wrong_ladder_is_refused_with_its_rung_and_field(
    text: str, place: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(UnusableLadder) as refusal:
        Ladder.parse(text)
    [sentence] = str(refusal.value).splitlines()
    rung = [f"rung {place[0] + 1}"] if place else []
    assert sentence.startswith(", ".join(["ModelLadder", *rung, *place[1:]]) + ": ")
    assert said in sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("gpt-5", "Expecting value"),
        ('[{"model": "m"}', "Expecting"),
        ('[{"model": "m", "timeoutSeconds": NaN}]', "NaN is not a JSON value"),
        ('[{"model": "m", "model": "n"}]', "a key is repeated"),
    ],
)
def test_a_ladder_that_is_no_json_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Ladder.parse(text)


@pytest.mark.parametrize("field", ["base_url", "max_output_tokens", "timeout_seconds"])
def test_a_misspelt_field_is_never_overlooked(field: str) -> None:
    with pytest.raises(UnusableLadder, match=f"rung 1, {field}: "):
        Ladder.parse(f'[{{"model": "m", "{field}": 200}}]')


def test_a_provider_call_fits_into_the_function() -> None:
    longest = Rung.model_validate({"model": "m", "timeoutSeconds": 180}).timeout_seconds
    assert longest < 200, "the worker's Timeout in template.yaml"


@pytest.mark.parametrize(("cap", "is_then"), [(None, 4000), (500, 500), (4000, 4000), (9000, 4000)])
def test_a_tasks_cap_is_kept_below_the_rungs_own(cap: int | None, is_then: int) -> None:
    rung = Rung.model_validate({"model": "m"})

    assert rung.capped(cap).max_output_tokens == is_then
    assert rung.capped(cap).model_copy(update={"max_output_tokens": 4000}) == rung
