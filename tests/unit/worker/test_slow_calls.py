"""A call that takes longer than nearly all of its kind did is made once more, beside the first."""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from books import NEARLY_ALL, SLOW_RATIO, Books, Budget
from calls import OUTLINE_TIMEOUT_SHARE, Calls
from ladder import Ladder
from provider import Provider
from providers.outcomes import Answer, Down
from simmer.jobs.job import Usage
from simmer.waiting.durations import Durations, bucket
from tests.patience import HANG_SECONDS
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.fakes import USAGE, VALID, FakeProvider, Hang, Said, job
from tests.unit.worker.workshop import Workshop, until

LADDER = Ladder.parse('[{"model": "small"}]')
QUESTION: list[Any] = [{"role": "user", "content": "a question"}]
AT_ONCE, NEVER = 0.0, 80.0  # a call is slow after so many seconds


@dataclass
class Slow(Provider):
    """The first call says what it says when the second is under way; that one says its own, or
    nothing."""

    first: Said
    second: Said
    asked: int = 0
    aborted: int = 0
    is_second_there: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, *_: Any, **__: Any) -> Answer:
        self.asked += 1
        said = self.first if self.asked == 1 else self.second
        if said is self.second:
            self.is_second_there.set()
        try:
            await self.is_second_there.wait()
            if isinstance(said, Hang):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        if isinstance(said, Exception):
            raise said
        return Answer(str(said), "stop", USAGE)


def calls_of(provider: Provider, usual_seconds: float, **fields: Any) -> Calls:
    return Calls(
        ladder=LADDER,
        provider=provider,
        job=job(),
        seconds_for_a_call=lambda: HANG_SECONDS,
        usual_seconds=lambda _model, _items: usual_seconds,
        **fields,
    )


def ask(calls: Calls) -> Answer:
    return asyncio.run(calls.call(LADDER[0], QUESTION, None, 1000, {}))


def test_a_call_that_is_not_slow_is_one_call() -> None:
    provider = FakeProvider(["quick"])
    calls = calls_of(provider, NEVER)

    assert ask(calls).text == "quick"
    assert calls.usage.calls == 1
    assert calls.usage.unreported_calls == 0


def test_a_slow_call_is_made_again_and_cut_off_and_counted_when_the_second_answers() -> None:
    provider = Slow(Hang(), "sooner")
    calls = calls_of(provider, AT_ONCE)

    assert ask(calls).text == "sooner"
    assert (provider.asked, provider.aborted) == (2, 1)
    assert (calls.usage.calls, calls.usage.unreported_calls) == (1, 1)
    assert calls.took["small"].total() == 2, "that it was slow is known, though not how long it is"


def test_the_first_call_may_still_be_the_first_to_answer() -> None:
    provider = Slow("late, but there", Hang())

    assert ask(calls_of(provider, AT_ONCE)).text == "late, but there"
    assert (provider.asked, provider.aborted) == (2, 1)


def test_a_slow_call_that_fails_leaves_the_second_to_answer() -> None:
    assert ask(calls_of(Slow(Down("status 500"), "good"), AT_ONCE)).text == "good"


def test_a_second_call_that_fails_leaves_the_first_to_answer() -> None:
    assert ask(calls_of(Slow("good", Down("status 500")), AT_ONCE)).text == "good"


def test_where_both_fail_the_failure_is_that_of_the_first() -> None:
    with pytest.raises(Down) as failed:
        ask(calls_of(Slow(Down("first"), Down("second")), AT_ONCE))

    assert failed.value.kind == "first"


def test_no_second_call_is_made_on_money_that_is_not_there() -> None:
    class Last(Budget):
        looks = 0

        async def is_spent(self) -> bool:
            self.looks += 1
            return self.looks > 1

    class Patient(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Answer:
            await until(lambda: budget.looks == 2)
            return await super().ask(*arguments, **options)

    budget = Last()
    provider = Patient(["the only one"])

    assert ask(calls_of(provider, AT_ONCE, budget=budget)).text == "the only one"
    assert len(provider.asked) == 1


def test_both_calls_are_broken_off_with_the_attempt() -> None:
    provider = Slow(Hang(), Hang())
    calls = calls_of(provider, AT_ONCE)

    async def broken_off() -> None:
        calling = asyncio.create_task(calls.call(LADDER[0], QUESTION, None, 1000, {}))
        await asyncio.wait_for(provider.is_second_there.wait(), HANG_SECONDS)
        calling.cancel()
        await asyncio.wait([calling])

    asyncio.run(broken_off())

    assert provider.aborted == 2
    assert calls.usage.unreported_calls == 2


def test_an_outline_is_not_waited_for_as_long_as_an_answer() -> None:
    provider = FakeProvider(["outline", "part"])
    calls = calls_of(provider, math.inf)

    for items in (0, 1):
        asyncio.run(calls.call(LADDER[0], QUESTION, None, 1000, {}, items=items))

    longest_seconds = LADDER[0].timeout_seconds
    assert [asked.timeout_seconds for asked in provider.asked] == [
        longest_seconds * OUTLINE_TIMEOUT_SHARE,
        min(longest_seconds, HANG_SECONDS),
    ]


# --- What is learned ------------------------------------------------------------------------------


@pytest.fixture
def shop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


def test_the_times_of_calls_are_learned_by_model_and_items(shop: Workshop) -> None:
    shop.job(FakeProvider(["nonsense", "nonsense", "nonsense", "nonsense"]))

    counts = [shop.entry(model).calls_by_items for model in ("small", "large")]
    assert [sum(each.values()) for each in counts] == [2, 2]
    assert {items for each in counts for items, _ in each} == {1}


def test_a_call_is_slow_by_the_times_of_its_kind_once_they_are_known(shop: Workshop) -> None:
    twenty_seconds = bucket(20.0)
    now_ms = shop.clock.now_ms
    many, few = {(1, twenty_seconds): 200}, {(2, twenty_seconds): 5}
    shop.ledger.add("recipe", "small", Usage(), now_ms=now_ms, calls=many | few)
    books = Books(shop.ledger, ["small", "large"])

    assert books.usual_seconds("recipe", "small", 1) == math.inf, "nothing is read yet"
    asyncio.run(books.durations("recipe"))

    known = Durations({twenty_seconds: 200}).seconds_until(NEARLY_ALL)
    assert books.usual_seconds("recipe", "small", 1) == SLOW_RATIO * known
    assert 25 < SLOW_RATIO * known < 35
    for model, items in (("small", 2), ("small", 0), ("large", 1)):
        assert books.usual_seconds("recipe", model, items) == math.inf
    assert books.usual_seconds("workout", "small", 1) == math.inf


def test_a_job_whose_call_hangs_completes_by_a_second_one(shop: Workshop) -> None:
    quick = {(1, bucket(0.0)): 200}
    shop.ledger.add("recipe", "small", Usage(), now_ms=shop.clock.now_ms, calls=quick)
    shop.books = Books(shop.ledger, ["small", "large"])
    admitted = shop.admit()

    provider = FakeProvider([Hang(), VALID])
    shop.run(provider)

    assert shop.cloud.job(admitted.job_id)["status"] == "completed"
    assert provider.aborted == 1
