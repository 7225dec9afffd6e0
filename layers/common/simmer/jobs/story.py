"""A job's story: one log line an event, from the submit to the end, in a fixed vocabulary.

Every line names the job, its run and its task, so that the lines of all functions can be joined. No
line holds a word of the request or of an answer: both are the user's.
"""

from enum import StrEnum
from typing import Any

from aws_lambda_powertools import Logger

from simmer import clock
from simmer.jobs.job import Job
from simmer.jobs.metrics import embedded
from simmer.settings import MetricsSettings

logger = Logger(service="simmer", child=True)


class Event(StrEnum):
    """The `message` of a line; in brackets: the fields that come with it."""

    ADMITTED = "job admitted"
    JOINED = "job joined"
    CACHED = "job cached"
    CLAIMED = "job claimed"  # queueSeconds at the first claim, receiveCount
    TAKEN_OVER = "job taken over"  # receiveCount: the worker before did not come to an end
    MODEL_CALL = "model call"  # model, ending, seconds, tokens, cost_microusd, errorType
    REJECTED = "answer rejected"  # model, complaints (their number), kinds
    RE_ASKED = "asked again"  # model
    CLIMBED = "climbed"  # model: the one that is asked next
    PART_STORED = "part stored"  # parts: how many stand, seconds since the submit, firstPartSeconds
    GIVEN_BACK = "job given back"  # delaySeconds
    STORED = "result stored"  # seconds since the submit, barPercent: of the bar, a moment before
    FAILED = "job failed"  # code, seconds since the submit
    CANCELLED = "job cancelled"
    LEASE_LOST = "lease lost"


def tell(event: Event, job: Job, *, is_alarming: bool = False, **fields: Any) -> None:
    """Log the event, with `fields` that hold nothing of the user's, and its metrics, if they are
    wanted."""
    log = logger.error if is_alarming else logger.info
    told = {"jobId": job.job_id, "runId": job.run_id, "task": job.task, **fields}
    settings = MetricsSettings.from_env()
    lines = embedded(settings.metrics_namespace, event, told, clock.now_ms())
    first, *others = lines if settings.metrics else [{}]
    log(event.value, extra={**told, **first})
    for metrics in others:
        logger.info("metrics", extra=metrics)
