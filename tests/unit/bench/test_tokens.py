"""The bench bills calls as a provider does, and its last design is the worker's own."""

import prompt
from bench.ladder import template_ladder
from bench.meter import Meter
from bench.tokens import designs, measure
from bench.workload import admitted, raw_requests
from simmer.tasks.recipe import TASK

RAWS = raw_requests(4, seed=1)
CHEAP, _ = template_ladder()


def encode(text: str) -> list[int]:
    return list(text.encode())


def test_the_last_design_is_what_the_worker_sends() -> None:
    *_, shipped = designs(1, RAWS[0], CHEAP).values()

    assert shipped.messages == prompt.first_ask(TASK, CHEAP, admitted(RAWS[0]))
    assert shipped.response_format == prompt.response_format(TASK, CHEAP)


def test_the_shipped_design_costs_less_than_the_plain_one() -> None:
    rows = measure(RAWS, CHEAP, encode)

    assert len(rows) == 6
    assert rows[-2].usd_per_1000 < rows[0].usd_per_1000


def test_a_prefix_is_cached_from_its_second_use_and_only_if_it_is_long_enough() -> None:
    meter = Meter(encode, shortest_cached_prefix=100, cache_step=10)
    long, short = "a" * 125, "b" * 80
    first, again, other = (
        meter.bill([{"role": "system", "content": text}], None, "").cached_input_tokens
        for text in (long, long + "c", short)
    )
    assert (first, again, other) == (0, 120, 0)
    assert meter.bill([{"role": "system", "content": short}], None, "").cached_input_tokens == 0
