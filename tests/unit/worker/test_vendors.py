"""Every preset against an endpoint that behaves as its vendor's documents say."""

import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ladder import Ladder, Rung
from providers.presets import PRESETS, presets
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.fakes import VALID
from tests.unit.worker.playing import PRICE, Endpoints, Played, Player, Reply
from tests.unit.worker.vendors import KEY_OF_THE_SECRET, VENDORS
from tests.unit.worker.workshop import KEY, Workshop

pytestmark = pytest.mark.enable_socket

PROVIDERS = Path(__file__).parents[3] / "docs" / "providers.md"
INVALID = VALID.replace('"servings": 2', '"servings": 9')
EACH = pytest.mark.parametrize("name", VENDORS)

type Play = Callable[..., Played]


@pytest.fixture
def play(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> Play:
    """Plays a job on the preset's rung, whose endpoint answers in turn; the rung's other fields."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)

    def play(name: str, *replies: Reply, **fields: Any) -> Played:
        with player(name, *replies, **fields) as one:
            return one.play()

    @contextmanager
    def player(name: str, *replies: Reply, **fields: Any) -> Iterator[Player]:
        vendor = VENDORS[name]
        query = "&".join(f"{key}={value}" for key, value in vendor.query.items())
        path = vendor.path + (f"?{query}" if query else "")
        rung = {"provider": name, "model": "m", "path": path, **vendor.rung, **fields}
        with Endpoints([vendor.endpoint(*replies)]) as server:
            yield Player(Workshop(cloud, clock), records, server, [rung])

    play.player = player  # type: ignore[attr-defined]
    return play


def test_there_is_an_endpoint_for_every_preset() -> None:
    assert set(VENDORS) == set(presets())
    assert KEY == KEY_OF_THE_SECRET


@EACH
def test_a_job_completes_with_one_call_that_the_vendor_takes(play: Play, name: str) -> None:
    played = play(name, VENDORS[name].answers())
    assert (played.ended, played.counts, played.alarms) == ("completed", [1], [])
    assert json.loads(played.stored["result"]) == json.loads(VALID)


@EACH
def test_a_wrong_answer_is_asked_again_without_its_wrapper(play: Play, name: str) -> None:
    vendor = VENDORS[name]
    played = play(name, vendor.answers(INVALID), vendor.answers())
    assert (played.ended, played.counts) == ("completed", [2])
    again = played.calls[0][1].body["messages"]
    assert "must be 2" in again[-1]["content"]
    assert "Hm." not in str(again)


@EACH
def test_an_answer_that_was_cut_is_asked_again_with_a_cap_that_the_vendor_takes(
    play: Play, name: str
) -> None:
    vendor = VENDORS[name]
    cut = vendor.answers(VALID[:300], message={"content": VALID[:300]}, finish_reason="length")
    played = play(name, cut, vendor.answers())
    assert (played.ended, played.counts, played.alarms) == ("completed", [2], [])
    first, second = (call.cap for call in played.calls[0])
    assert first is not None
    assert second == 2 * first


@EACH
def test_a_throttle_in_the_vendors_dress_costs_time_and_not_the_job(play: Play, name: str) -> None:
    vendor = VENDORS[name]
    played = play(name, vendor.throttle, vendor.answers())
    assert (played.ended, played.counts, played.alarms) == ("completed", [2], [])
    [delay] = played.delays
    assert delay == pytest.approx(vendor.throttle_seconds, abs=1), "its own word is heeded"


@EACH
def test_a_prompt_that_the_vendor_turns_down_is_refused_and_nobodys_alarm(
    play: Play, name: str
) -> None:
    played = play(name, VENDORS[name].refused())
    assert (played.ended, played.counts, played.alarms) == ("refused", [1], [])


@EACH
def test_an_account_without_credit_is_told_at_once_and_asked_once(play: Play, name: str) -> None:
    vendor = VENDORS[name]
    with play.player(name, vendor.no_credit) as player:  # type: ignore[attr-defined]
        first, second = player.play(), player.play()
    assert (first.ended, first.counts, first.delays) == ("model_unavailable", [1], [])
    [line] = first.alarms
    assert line["ending"].startswith("out of credit")
    assert (second.ended, second.counts, second.alarms) == ("model_unavailable", [0], [])


@EACH
def test_a_job_is_billed_as_the_vendor_counts(play: Play, name: str) -> None:
    vendor = VENDORS[name]
    stored = play(name, vendor.answers()).stored
    asked, cached, written = vendor.billed
    counted = [stored[n] for n in ("input_tokens", "cached_input_tokens", "output_tokens")]
    assert [int(count) for count in counted] == [asked, cached, written]
    if vendor.usage() is None:
        assert (int(stored["unreported_calls"]), int(stored["calls"])) == (1, 1)
        assert int(stored["cost_microusd"]) > len(VALID.encode()) // 4 * PRICE["output"]
    else:
        cost = (asked - cached) * 1 + cached * 0.1 + written * 10
        assert int(stored["cost_microusd"]) == pytest.approx(cost, abs=1)


@EACH
def test_what_the_vendor_does_not_take_is_the_operators_with_its_name(
    play: Play, name: str
) -> None:
    played = play(name, VENDORS[name].answers(), extraBody={"my_own_field": 1})
    assert (played.ended, played.counts) == ("model_unavailable", [1])
    [line] = played.alarms
    assert line["parameter"] == "my_own_field"


@EACH
def test_a_key_the_vendor_does_not_know_is_the_operators(play: Play, name: str) -> None:
    vendor = VENDORS[name]
    if vendor.key_header is None:
        pytest.skip("it asks for none")
    played = play(name, vendor.answers(), keyHeader="x-nobody-reads")
    assert (played.ended, played.counts) == ("model_unavailable", [1])
    assert [line["ending"] for line in played.alarms] == ["key refused 401"]


@EACH
def test_a_field_of_the_rung_comes_before_the_presets(name: str) -> None:
    rung = Rung.model_validate(
        {
            "provider": name,
            "model": "m",
            "baseUrl": "http://127.0.0.1:1/x",
            "structured": "prompt",
            "capField": "cap",
            "maxOutputTokens": 300,
            "thinking": None,
            "key": "mine",
            "extraBody": {"mine": 1},
        }
    )
    assert (rung.base_url, rung.structured) == ("http://127.0.0.1:1/x", "prompt")
    assert (rung.cap_field, rung.max_output_tokens, rung.key) == ("cap", 300, "mine")
    assert rung.own_fields["mine"] == 1
    kept = presets()[name].rung.get("extraBody", {})
    assert {**rung.own_fields, **kept} == rung.own_fields, "one field more loses none"


@EACH
@pytest.mark.parametrize("thinking", [True, False])
def test_the_switch_for_thinking_is_said_in_the_vendors_way_or_refused_in_words(
    play: Play, name: str, thinking: bool
) -> None:
    preset = presets()[name]
    fields = preset.thinking.get("on" if thinking else "off")
    text = json.dumps(
        [{"provider": name, "model": "m", "baseUrl": "http://127.0.0.1:1", "thinking": thinking}]
    )
    if fields is None:
        with pytest.raises(ValueError, match="rung 1: thinking: "):
            Ladder.parse(text)
    else:
        [rung] = Ladder.parse(text)
        assert {**rung.own_fields, **fields} == rung.own_fields
        assert set(fields) <= VENDORS[name].fields, "which the vendor takes"


def test_the_documents_table_has_every_preset_and_says_what_is_set() -> None:
    document = json.loads(PRESETS.read_text())
    assert document.keys() == {"asOf", "note", "presets"}
    page = PROVIDERS.read_text()
    assert document["asOf"] in page
    rows = {
        line.split("|")[1].strip().strip("`"): line
        for line in page.splitlines()
        if line.startswith("| `")
    }
    for name, preset in presets().items():
        for field, value in preset.rung.items():
            if field != "baseUrl":
                assert f"`{field}`" in rows[name], (name, field)
                assert value is False or json.dumps(value).strip('"{}') in rows[name], (name, value)
        address = preset.base_url or preset.rung["baseUrl"]
        assert address in rows[name], name
        assert "http" in rows[name].rsplit("|", 2)[1], "its source"
