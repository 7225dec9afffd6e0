"""The status document of an answer in parts."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from simmer.jobs.job import ErrorCode, Job, JobStatus
from simmer.web.view import job_view
from tests.unit.clock import Clock
from tests.unit.jobs import a_job

OUTLINE = '{"recipes": [{"title":"Soup"},{"title":"죽"},{"title":"Stew"}]}'
PARTS = {2: '{"name": "Stew",  "n": 1.0}', 0: '{"name":"Soup"}'}


def shown(clock: Clock, **fields: Any) -> tuple[str, Mapping[str, Any]]:
    job: Job = a_job(clock, **{"status": JobStatus.PROCESSING, "outline": OUTLINE} | fields)
    text = job_view(job, clock.now_ms)
    return text, json.loads(text)


def test_the_outline_is_shown_before_any_part_stands(clock: Clock) -> None:
    _, document = shown(clock)

    assert document["outline"] == [
        {"title": title, "state": "waiting"} for title in ("Soup", "죽", "Stew")
    ]
    assert "partialResult" not in document
    assert document["stage"] == "generating"


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.FAILED])
def test_parts_that_stand_are_shown_byte_for_byte_in_the_order_of_the_outline(
    clock: Clock, status: JobStatus
) -> None:
    error = {"error_code": ErrorCode.REFUSED} if status is JobStatus.FAILED else {}
    text, document = shown(clock, status=status, parts=PARTS, **error)

    assert [part["state"] for part in document["outline"]] == ["ready", "waiting", "ready"]
    assert f'"partialResult":{{"recipes":[{PARTS[0]},{PARTS[2]}]}}' in text


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.CANCELLED])
def test_a_job_that_is_completed_or_cancelled_shows_no_parts(
    clock: Clock, status: JobStatus
) -> None:
    _, document = shown(clock, status=status, parts=PARTS, result='{"recipes":[]}')

    assert document.keys().isdisjoint({"outline", "partialResult"})


def test_a_short_document_has_the_outline_and_none_of_the_texts(clock: Clock) -> None:
    job = a_job(clock, status=JobStatus.PROCESSING, outline=OUTLINE, parts=PARTS)
    document = json.loads(job_view(job, clock.now_ms, is_short=True))

    assert [part["state"] for part in document["outline"]] == ["ready", "waiting", "ready"]
    assert "partialResult" not in document
