"""The bench's own arithmetic, on a few jobs."""

import asyncio

from bench.ladder import Fate, Result, climb_all, template_ladder
from bench.meter import Meter
from bench.workload import admitted, raw_requests

JOBS = 60
REQUESTS = [admitted(raw) for raw in raw_requests(JOBS, seed=1)]
CHEAP, STRONG = template_ladder()


def climb(*, again: bool, both: bool) -> Result:
    rates = {CHEAP.model: 0.5, STRONG.model: 0.1}
    fate = Fate(rates, "again" if again else "anew", jobs=JOBS, seed=1)
    rungs = [CHEAP, STRONG] if both else [CHEAP]
    return asyncio.run(climb_all(rungs, REQUESTS, fate, Meter(lambda text: list(text.encode()))))


def test_a_model_that_never_mends_its_answers_fails_exactly_its_share_of_the_jobs() -> None:
    result = climb(again=True, both=False)

    assert (result.valid, result.failed.total(), result.doomed) == (30, 30, 30)
    assert result.usage.calls == JOBS + 30
    assert result.is_as_promised


def test_the_ladder_answers_all_jobs_but_those_that_both_models_fail() -> None:
    for again in (True, False):
        alone, both = climb(again=again, both=False), climb(again=again, both=True)

        assert both.is_as_promised
        assert alone.valid < both.valid == JOBS - both.doomed
        assert both.usd > alone.usd
