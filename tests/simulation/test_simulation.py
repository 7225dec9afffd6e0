"""Thousands of schedules of the shipped code, none of which may break a promise."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.simulation import campaign
from tests.simulation.faults import Fault
from tests.simulation.weather import SINGLES, SINGLES_OF_RELEASE, Trouble, weather_of

SCHEDULES = 3000
REPLAYED = (155, 176)  # hundreds of faults in the one, many killed in the other
WORKER_CALLS = (
    "dynamodb.update_item",
    "dynamodb.get_item",
    "sqs.change_message_visibility",
    "sqs.receive_message",
    "sqs.send_message",
    "model",
)


def test_no_schedule_breaks_a_promise_and_every_call_meets_every_fault(
    record_property: Callable[[str, object], None],
) -> None:
    coverage: Counter[tuple[str, Fault]] = Counter()
    failures: list[campaign.Failure] = []
    for finished, failed in campaign.run_all(0, SCHEDULES):
        failures += failed
        for each in finished:
            coverage.update(each.coverage)
        if failures:
            break

    assert not failures, "\n".join(
        f"seed {seed}: {why}\n  again: python -m tests.simulation --replay {seed}"
        for seed, why in failures
    )
    never_met = [
        (call, str(fault)) for call in WORKER_CALLS for fault in Fault if not coverage[call, fault]
    ]
    assert never_met == []
    faults = sum(count for (_, fault), count in coverage.items() if fault is not Fault.OK)
    record_property("shown", f"{SCHEDULES:,} schedules, {faults:,} faults, 0 violations")


def test_the_seeds_try_every_single_fault_in_calm_and_under_throttling() -> None:
    tried = {
        (weather.trouble, weather.single) for weather in map(weather_of, range(campaign.HUNTED))
    }

    assert {(Trouble.ONE_FAULT, single) for single in SINGLES} <= tried
    assert {(Trouble.THROTTLES, single) for single in SINGLES + SINGLES_OF_RELEASE} <= tried


def test_the_simulated_queue_is_the_templates() -> None:
    campaign.find_shipped_code()
    from tests.simulation import scenario

    template = yaml_parse((campaign.ROOT / "template.yaml").read_text("utf-8"))
    queue = template["Resources"]["JobsQueue"]["Properties"]

    assert queue["VisibilityTimeout"] == scenario.VISIBILITY_SECONDS
    assert queue["RedrivePolicy"]["maxReceiveCount"] == scenario.MAX_RECEIVES


@pytest.mark.parametrize("seed", REPLAYED)
def test_a_seed_replays_exactly_in_any_interpreter(seed: int) -> None:
    def replayed(hash_seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--replay", str(seed)],
            cwd=campaign.ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    first = replayed("1")
    again = replayed("2")

    assert first == again
    assert campaign.trace_hash(seed) in first
    assert campaign.trace_hash(seed) in first  # nor does what ran before in a process matter
