"""The embedded metric format, to the letter of CloudWatch's specification of it."""

import io
import json
import logging
import re
from typing import Any

import pytest

from simmer.jobs.job import Job
from simmer.jobs.metrics import METRICS, embedded
from simmer.jobs.story import Event, tell
from tests.unit.clock import Clock

NAMESPACE = "Simmer/dev"
CALL: dict[str, Any] = {
    "task": "poem",
    "model": "small",
    "seconds": 1.5,
    "input_tokens": 300,
    "output_tokens": 40,
    "cost_microusd": 2_500_000,
}
UNITS = {"Count", "Seconds", "Percent", "None"}


def told(event: str, **fields: Any) -> list[tuple[str, dict[str, str], float]]:
    """The metrics as CloudWatch finds them: name, dimensions, value."""
    found = []
    for line in embedded(NAMESPACE, event, fields, 1_700_000_000_000):
        root = json.loads(json.dumps(line))
        about = root["_aws"]
        assert about["Timestamp"] == 1_700_000_000_000
        assert set(about) == {"Timestamp", "CloudWatchMetrics"}
        for directive in about["CloudWatchMetrics"]:
            assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
            assert re.fullmatch(r"[A-Za-z0-9._/#:-]{1,255}", directive["Namespace"])
            [names] = directive["Dimensions"]
            [metric] = directive["Metrics"]
            assert metric["Unit"] in UNITS
            assert len(names) <= 30
            dimensions = {name: root[name] for name in names}
            assert all(isinstance(text, str) and text for text in dimensions.values())
            value = root[metric["Name"]]
            assert isinstance(value, (int, float))
            found.append((metric["Name"], dimensions, value))
    return found


def test_a_model_call_has_its_duration_tokens_and_dollars_under_their_own_names() -> None:
    model = {"gen_ai.request.model": "small"}

    assert told("model call", **CALL) == [
        ("simmer.job.events", {"event": "model call"}, 1),
        ("gen_ai.client.operation.duration", model, 1.5),
        ("gen_ai.client.token.usage", {**model, "gen_ai.token.type": "input"}, 300),
        ("gen_ai.client.token.usage", {**model, "gen_ai.token.type": "output"}, 40),
        ("simmer.model.cost", model, 2.5),
    ]


def test_a_call_of_which_nobody_said_the_tokens_reports_none() -> None:
    names = [name for name, _, _ in told("model call", **{**CALL, "input_tokens": 0})]

    assert names.count("gen_ai.client.token.usage") == 1


def test_a_failed_call_and_a_failed_job_say_of_which_kind() -> None:
    call, job = told("model call", errorType="Throttled"), told("job failed", code="refused")

    assert ("simmer.model.failures", {"error.type": "Throttled"}, 1) in call
    assert ("simmer.job.failures", {"error.code": "refused"}, 1) in job


def test_only_events_of_the_story_have_metrics_of_their_own() -> None:
    assert set(METRICS) <= set(Event)


def test_nothing_that_is_one_job_s_or_one_user_s_is_a_dimension() -> None:
    fields = {
        source
        for metrics in METRICS.values()
        for each in metrics
        for source in each.dimensions.values()
    }

    assert {each for each in fields if not each.startswith("=")} == {
        *("model", "task", "code", "errorType")
    }


@pytest.mark.parametrize(("wanted", "lines"), [("true", 2), ("false", 1)])
def test_metrics_are_in_the_lines_of_the_story_where_they_are_wanted(
    wanted: str, lines: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    for handler in logging.getLogger("simmer").handlers:
        monkeypatch.setattr(handler, "stream", stream)
    monkeypatch.setenv("METRICS", wanted)
    monkeypatch.setenv("METRICS_NAMESPACE", NAMESPACE)
    job = Job(
        job_id="1" * 32,
        run_id="2" * 32,
        task="poem",
        owner="alice",
        is_shared=False,
        request="{}",
        request_hash="3" * 32,
        locale="en",
        created_at_ms=0,
        deadline_at_ms=1,
        expires_at_seconds=2,
    )
    tell(Event.MODEL_CALL, job, **{name: value for name, value in CALL.items() if name != "task"})

    printed = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(printed) == lines
    assert printed[0]["message"] == "model call"
    assert printed[0]["jobId"] == job.job_id
    assert printed[0]["input_tokens"] == 300
    assert ["_aws" in line for line in printed] == [wanted == "true"] * lines
    assert {
        line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in printed if "_aws" in line
    } <= {NAMESPACE}
    assert "alice" not in stream.getvalue()
