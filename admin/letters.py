"""What nobody could handle: messages of jobs, and ends that were not told."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import batched
from typing import Annotated, Any

import typer

from admin.jobs import as_seen, run_again
from admin.target import Target
from admin.terminal import at, say, table, target_of
from deploy.inside import ALIAS
from simmer.jobs.item import job_of
from simmer.jobs.queue import UnreadableMessage, Wakeup

app = typer.Typer(help="The dead-letter queues.", no_args_is_help=True)

# An end that was written late has the time of its deadline.
WRITTEN_LATE_MS = 3_600_000
_BATCH = 10  # what the events function takes at once


class Of(StrEnum):
    """Whose dead letters."""

    JOBS = "jobs"  # that no worker could handle
    EVENTS = "events"  # ends that were not told on the bus, or not to a rule's target
    WEBHOOK = "webhook"  # ends that its server did not take


Whose = Annotated[Of, typer.Argument(help="Of jobs, of events, or of the webhook.")]


@app.command("list")
def list_letters(context: typer.Context) -> None:
    """The dead letters of jobs; they are back there after half a minute."""
    target = target_of(context)
    rows = []
    for message in _messages(target, _queue(target, Of.JOBS)):
        sent_ms = int(message["Attributes"]["SentTimestamp"])
        rows.append((at(sent_ms), *_about(target, message)))
    table(("sent", "job", "status", "code"), rows)


@app.command()
def redrive(context: typer.Context, of: Whose = Of.JOBS) -> None:
    """Try again what is in the queue, and take it out. A job whose time is over gets a new
    deadline; one that was submitted again meanwhile is left as it is. An end that is told once more
    has the id that it had. What is of no job stays."""
    target = target_of(context)
    again = {Of.JOBS: _job_again, Of.EVENTS: _event_again, Of.WEBHOOK: _delivery_again}[of]
    queue = _queue(target, of)
    for message in _messages(target, queue):
        if done := again(target, message["Body"]):
            say(done)
            target.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@app.command()
def empty(context: typer.Context, of: Whose = Of.JOBS) -> None:
    """Delete every message in the queue."""
    target = target_of(context)
    target.sqs.purge_queue(QueueUrl=_queue(target, of))
    say("the dead-letter queue is empty")


def _job_again(target: Target, body: str) -> str:
    try:
        wakeup = Wakeup.parse(body)
    except UnreadableMessage:
        return ""
    job = target.items.read(wakeup.job_id)
    if job is None:
        return ""
    is_open = not as_seen(job).status.is_terminal
    done = "runs anew already" if is_open and job.run_id != wakeup.run_id else ""
    return f"{job.job_id}: {done or run_again(target, job)}"


def _event_again(target: Target, body: str) -> str:
    """The event that a rule's target did not take; or the ends of jobs of the records that Lambda
    names, and of the hour before."""
    told = json.loads(body)
    if "DDBStreamBatchInfo" not in told:
        entry = {
            "EventBusName": target.output("EventBusName"),
            "Source": told["source"],
            "DetailType": told["detail-type"],
            "Detail": json.dumps(told["detail"]),
        }
        if target.aws("events").put_events(Entries=[entry])["FailedEntryCount"]:
            raise LookupError("the bus does not take it: nothing more was done")
        return f"{told['detail'].get('jobId')}: told again"
    first_ms, last_ms = (
        datetime.fromisoformat(told["DDBStreamBatchInfo"][f"approximateArrivalOf{each}Record"])
        .timestamp() * 1000
        for each in ("First", "Last")
    )  # fmt: skip
    ends = [
        image
        for image in target.scan("job#")
        if (ended_ms := job_of(image).completed_at_ms) is not None
        and first_ms - WRITTEN_LATE_MS <= ended_ms < last_ms + 1000
    ]
    for some in batched(ends, _BATCH, strict=False):
        records = [{"dynamodb": {"NewImage": image}} for image in some]
        answer = target.aws("lambda").invoke(
            FunctionName=target.stack.ids["EventsFunction"],
            Qualifier=ALIAS,
            Payload=json.dumps({"Records": records}, default=lambda raw: b64encode(raw).decode()),
        )
        if "FunctionError" in answer:
            raise LookupError('the events function fails: its lines "events not put" say why')
    return f"{len(ends)} ends of jobs are told again"


def _delivery_again(target: Target, body: str) -> str:
    target.sqs.send_message(QueueUrl=target.stack.ids["WebhookQueue"], MessageBody=body)
    return "an end is told again"


def _about(target: Target, message: dict[str, Any]) -> tuple[str, str, str]:
    """The job's id, its status as its client sees it, and its error code."""
    try:
        job_id = Wakeup.parse(message["Body"]).job_id
    except UnreadableMessage:
        return "unreadable", "", ""
    stored = target.items.read(job_id)
    if stored is None:
        return job_id, "forgotten", ""
    job = as_seen(stored)
    return job.job_id, job.status, job.error_code or ""


def _queue(target: Target, of: Of) -> str:
    """The queue's address, or LookupError."""
    name = f"{of.capitalize()}DeadLetterQueue"
    if name not in target.stack.ids:
        raise LookupError(f"the stack has no {name}")
    return target.stack.ids[name]


def _messages(target: Target, queue: str) -> Iterator[dict[str, Any]]:
    while received := target.sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        VisibilityTimeout=30,
        MessageSystemAttributeNames=["SentTimestamp"],
    ).get("Messages"):
        yield from received
