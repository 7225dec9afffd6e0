"""The event bus, and a job's end as an event: what happened to it, and no word of its content."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self

from simmer import aws
from simmer.aws import AwsError
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import Job
from simmer.web.view import job_view

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef as Entry

SOURCE, JOB_ENDED = "simmer", "job.ended"

# In the words of the status document. Only what is named here leaves: a new field of the document
# may hold content.
_OF_THE_DOCUMENT = ("jobId", "status", "errorCode", "createdAt", "completedAt")


def job_ended(job: Job) -> dict[str, Any]:
    """The event's detail. A run ends once, so its `id` is the same however often it is told."""
    document = json.loads(job_view(replace(job, result=None), job.completed_at_ms or 0))
    return {
        "id": f"{job.run_id}-ended",
        "task": job.task,
        "owner": job.owner,
        **{name: document[name] for name in _OF_THE_DOCUMENT if name in document},
        "usage": {_camel_case(name): number for name, number in asdict(job.usage).items()},
    }


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


class EventBus:
    """The bus called `name`."""

    def __init__(self, events: "EventBridgeClient", name: str) -> None:
        self._events = events
        self._name = name

    @classmethod
    def connect(cls, name: str) -> Self:
        return cls(aws.client("events"), name)

    def put(self, details: Sequence[str]) -> None:
        """Tell of these ends, ten at most, or `DependencyUnavailable`: some may be told then."""
        if not details:
            return
        about: Entry = {"EventBusName": self._name, "Source": SOURCE, "DetailType": JOB_ENDED}
        try:
            answer = self._events.put_events(Entries=[{**about, "Detail": it} for it in details])
        except AwsError as error:
            raise DependencyUnavailable("EventBridge did not answer.") from error
        if answer["FailedEntryCount"]:
            raise DependencyUnavailable("EventBridge refused events.")
