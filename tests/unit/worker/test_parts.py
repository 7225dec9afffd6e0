"""An answer in parts: an outline, then each part by a call of its own, stored when it comes."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from providers.outcomes import Down, Throttled
from simmer.books.ledger import day_of, durations_of
from simmer.jobs.job import Job, JobStatus, Usage
from simmer.waiting.durations import Durations
from tests.unit.worker.cook import OUTLINE, TITLES, Cook, Said, admit, part
from tests.unit.worker.fakes import refused
from tests.unit.worker.workshop import Workshop, until


@pytest.fixture
def shop(cloud: Any, clock: Any) -> Workshop:
    return Workshop(cloud, clock)


def names(stored: Mapping[str, Any]) -> list[str]:
    return [recipe["name"] for recipe in json.loads(stored["result"])["recipes"]]


def test_each_part_is_asked_for_by_itself_and_the_result_is_made_of_them(shop: Workshop) -> None:
    job, cook = admit(shop), Cook()
    shop.run(cook)
    stored = shop.cloud.job(job.job_id)
    assert sorted(cook.asked) == sorted(["outline", *TITLES])
    assert stored["status"] == "completed"
    assert names(stored) == TITLES
    assert stored["calls"] == 4
    assert stored["outline"] == OUTLINE
    for i in range(3):
        if f"part_{i}" in stored:
            assert stored[f"part_{i}"] in stored["result"]


def test_the_call_for_a_part_has_the_request_for_one_and_the_outline_as_data(
    shop: Workshop,
) -> None:
    admit(shop)
    cook = Cook()
    shop.run(cook)
    system, user = (str(message.get("content")) for message in cook.messages["두부조림"])
    lines = user.splitlines()
    assert json.loads(lines[1])["count"] == 1
    assert json.loads(lines[lines.index("<outline>") + 1]) == {
        "outline": json.loads(OUTLINE),
        "part": {"title": "두부조림"},
    }
    assert "`name` is the plan's `title`" in system.replace("\n", " ")


def test_what_stands_is_stored_at_once_and_shown_while_others_are_written(
    shop: Workshop,
) -> None:
    job = admit(shop)

    async def watched() -> None:
        late = asyncio.Event()
        cook = Cook(waits_for={TITLES[0]: late})
        event = {"Records": shop.receive()}
        worker = shop.worker(cook)
        running = asyncio.create_task(_process(event, worker))
        await until(lambda: {"part_1", "part_2"} <= shop.cloud.job(job.job_id).keys())
        stored = shop.cloud.job(job.job_id)
        assert "part_0" not in stored
        assert stored["status"] == "processing"
        late.set()
        await running

    asyncio.run(watched())
    assert names(shop.cloud.job(job.job_id)) == TITLES


def test_one_bad_part_is_asked_again_alone(shop: Workshop) -> None:
    job = admit(shop)
    cook = Cook({TITLES[1]: ["prose", "prose"], TITLES[2]: [part(TITLES[2], servings=3)]})
    shop.run(cook)
    assert names(shop.cloud.job(job.job_id)) == TITLES
    assert [cook.asked.count(title) for title in TITLES] == [1, 3, 2]
    assert (TITLES[1], "large") in cook.rungs
    assert (TITLES[2], "large") not in cook.rungs


def test_a_part_under_another_name_is_asked_again(shop: Workshop) -> None:
    job = admit(shop)
    cook = Cook({TITLES[1]: [part(TITLES[0])]})
    shop.run(cook)
    assert names(shop.cloud.job(job.job_id)) == TITLES
    assert cook.asked.count(TITLES[1]) == 2


@pytest.mark.parametrize(
    "outlines",
    [
        ["prose", "prose"],
        [json.dumps({"recipes": [{"title": "A"}, {"title": "a "}, {"title": "B"}]})] * 2,
        [json.dumps({"recipes": [{"title": "A"}]})] * 2,
        [refused()],
        [Down("timeout")],
        [Throttled("429", 5.0)],
    ],
    ids=["prose", "alike", "too few", "refused", "down", "throttled"],
)
def test_without_an_outline_there_is_one_call(shop: Workshop, outlines: list[Said]) -> None:
    job, cook = admit(shop), Cook({"outline": list(outlines)})
    shop.run(cook)
    stored = shop.cloud.job(job.job_id)
    assert names(stored) == TITLES
    assert cook.asked == ["outline"] * len(outlines) + ["whole"]
    assert "outline" not in stored


def test_one_part_is_one_call(shop: Workshop) -> None:
    admit(shop, asks={"count": 1})
    cook = Cook({"whole": [part(TITLES[0])]})
    shop.run(cook)
    assert cook.asked == ["whole"]


def test_a_throttled_part_gives_the_job_back_with_the_others_kept(shop: Workshop) -> None:
    job = admit(shop)
    cook = Cook({TITLES[1]: [Throttled("429", 5.0), Throttled("429", 5.0)]})
    shop.run(cook)
    stored = shop.cloud.job(job.job_id)
    assert stored["status"] == "pending"
    assert {"outline", "part_0", "part_2"} <= stored.keys()
    cook.asked.clear()
    shop.queue.send(job)
    shop.run(cook)
    stored = shop.cloud.job(job.job_id)
    assert cook.asked == [TITLES[1]]
    assert names(stored) == TITLES
    assert stored["calls"] == 4


def test_a_hopeless_part_ends_the_job_by_name_and_the_good_ones_stay(shop: Workshop) -> None:
    job = admit(shop)
    shop.run(Cook({TITLES[1]: [refused(), refused()]}))
    stored = shop.cloud.job(job.job_id)
    assert (stored["status"], stored["error_code"]) == ("failed", "refused")
    assert {"part_0", "part_2"} <= stored.keys()
    assert "part_1" not in stored


def test_a_takeover_asks_only_for_what_is_missing(shop: Workshop) -> None:
    job = admit(shop)
    shop.run(Cook({TITLES[1]: [Throttled("429", 5.0)] * 2}))
    before = shop.cloud.job(job.job_id)
    shop.queue.send(job)
    cook = Cook()
    shop.run(cook)
    after = shop.cloud.job(job.job_id)
    assert cook.asked == [TITLES[1]]
    assert [after[name] for name in ("outline", "part_0", "part_2")] == [
        before[name] for name in ("outline", "part_0", "part_2")
    ]


def test_a_new_run_begins_with_nothing(shop: Workshop) -> None:
    job = admit(shop)
    shop.run(Cook({TITLES[1]: [refused(), refused()]}))
    again = Job(
        **{
            **{name: getattr(job, name) for name in Job.__dataclass_fields__},
            "run_id": "run-2",
            "status": JobStatus.PENDING,
            "usage": Usage(),
        }
    )
    admitted = shop.store.admit(
        again, daily_quota=100, most_in_flight=100, now_ms=shop.clock.now_ms
    )
    assert admitted.is_new
    assert not [
        name for name in shop.cloud.job(job.job_id) if name == "outline" or name.startswith("part_")
    ]


def test_durations_are_learned_by_the_number_of_parts(shop: Workshop) -> None:
    for _ in range(12):
        admit(shop)
        shop.run(Cook())
    for _ in range(12):
        admit(shop, asks={"count": 1})
        shop.run(Cook({"whole": [part(TITLES[0])]}))
    took = shop.entry("small").took_by_parts
    assert {parts for parts, _ in took} == {1, 3}
    recent = shop.ledger.recent("recipe", ["small"], day_of(shop.clock.now_ms))
    of_three, of_all = durations_of("recipe", recent, 3), durations_of("recipe", recent, 5)
    assert sum(Durations.parse(of_three["recipe"])._counts.values()) == 12
    assert sum(Durations.parse(of_all["recipe"])._counts.values()) == 24, (
        "of five, nothing is known yet"
    )


async def _process(event: Any, worker: Any) -> None:
    import app
    from tests.unit.worker.workshop import Context

    await app.process(event, Context(), worker)


def test_the_times_of_calls_are_learned_for_outlines_and_parts_apart(shop: Workshop) -> None:
    admit(shop)
    shop.run(Cook())

    counts: Counter[int] = Counter()
    for (items, _), calls in shop.entry("small").calls_by_items.items():
        counts[items] += calls
    assert counts == {0: 1, 1: 3}
