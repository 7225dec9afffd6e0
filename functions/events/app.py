"""Events: the end of each job, told to EventBridge without its content.

The jobs table's stream brings the ends. Whoever wants to know adds a rule to the bus.
"""

import json
from functools import cache
from typing import Any

from bus import EventBus, job_ended
from simmer.errors import DependencyUnavailable
from simmer.jobs.item import job_of
from simmer.settings import EventsSettings
from simmer.web.http import PONG, Event, begins, logger, part, whereabouts


class NotPut(Exception):
    """The stream has to bring the batch again. The text quotes nothing: Lambda logs it."""


@cache
def _bus() -> EventBus:
    return EventBus.connect(EventsSettings.from_env().event_bus)


def handler(event: Event, context: Any) -> dict[str, Any]:
    if not begins(event, context, "Records"):
        return PONG
    ids = [part(each, "dynamodb", "NewImage", "job_id", "S") for each in event["Records"]]
    logger.append_keys(jobIds=ids)
    try:
        _bus().put([detail for each in event["Records"] if (detail := _detail(each))])
    except DependencyUnavailable as error:
        logger.warning("events not put", extra=whereabouts(error.__cause__ or error))
        raise NotPut from None
    except Exception as error:
        logger.error("unexpected error", extra=whereabouts(error))
        raise NotPut from None
    return {}


def _detail(record: Any) -> str | None:
    """What is no record of a job never will be one: it holds up no other."""
    try:
        return json.dumps(job_ended(job_of(record["dynamodb"]["NewImage"])))
    except Exception as error:
        logger.error("unexpected error", extra=whereabouts(error))
        return None
