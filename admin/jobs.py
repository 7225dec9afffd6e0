"""Jobs: found, shown with their stories, ended, run again; and the messages that nobody handled."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from admin.target import Target
from admin.terminal import at, say, table, target_of
from local.trace import line_of
from simmer import clock
from simmer.jobs.item import JobRefused
from simmer.jobs.job import ErrorCode, Job, JobStatus, Usage, mark_of

app = typer.Typer(help="Jobs.", no_args_is_help=True)

NO_LIMIT = 10**9
Id = Annotated[str, typer.Argument(help="The job's id.")]


@app.command("list")
def list_jobs(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Who asked, or waits with others.")] = "",
    status: Annotated[str, typer.Option()] = "",
    code: Annotated[str, typer.Option(help="The reason of a failure.")] = "",
    ids: Annotated[bool, typer.Option(help="Only the ids, for a shell.")] = False,
) -> None:
    """The newest jobs first. Reads the whole table: half a unit for each 4 KB of it."""
    target = target_of(context)
    found = sorted(_found(target, user, status, code), key=lambda job: -job.created_at_ms)
    if ids:
        for job in found:
            typer.echo(job.job_id)
        return
    rows = [
        (each.job_id, each.task, at(each.created_at_ms), each.status, each.error_code or "",
         f"{each.usage.cost_microusd / 1e6:.4f}")
        for each in found
    ]  # fmt: skip
    table(("job", "task", "submitted", "status", "code", "usd"), rows)


def _found(target: Target, user: str, status: str, code: str) -> Iterator[Job]:
    sub = target.sub(user) if user else ""
    for job in map(as_seen, target.jobs()):
        is_theirs = not sub or job.owner == sub or mark_of(sub) in job.wanted_by
        if is_theirs and status in ("", job.status) and code in ("", job.error_code or ""):
            yield job


def as_seen(job: Job) -> Job:
    """As its client sees it: past its deadline an open job has failed, written down or not."""
    if not job.is_overdue(clock.now_ms()):
        return job
    return replace(job, status=JobStatus.FAILED, error_code=ErrorCode.DEADLINE_EXCEEDED)


@app.command()
def show(context: typer.Context, job_id: Id) -> None:
    """A job as it stands, and its story; without what was asked and answered."""
    target = target_of(context)
    job = target.job(job_id)
    hidden = {"request", "result", "words", "durations", "lease", "usage", "subscribers"}
    facts = {name: value for name, value in asdict(job).items() if name not in hidden}
    facts |= {"wanted_by": len(job.wanted_by), **asdict(job.usage)}
    if job.lease:
        facts["lease_expires_at_ms"] = job.lease.expires_at_ms
    table(
        ("field", "value"),
        [
            (name, at(value) if name.endswith("_ms") and value else str(value))
            for name, value in facts.items()
            if value not in (None, "")
        ],
    )
    for event in sorted(_story(target, job), key=lambda event: str(event["at"])):
        say(line_of(job_id, event))


def _story(target: Target, job: Job) -> Iterator[dict[str, Any]]:
    logs = target.aws("logs")
    for group in target.logs:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            filterPattern=f'"{job.job_id}"',
            startTime=job.created_at_ms - 60_000,
        )
        for message in (event["message"] for page in pages for event in page["events"]):
            try:
                line = json.loads(message)
            except ValueError:
                continue  # a line of Lambda's own
            named = (line.get("jobId"), *line.get("jobIds", ()))  # of the events function's batch
            if job.job_id in named and line["message"] not in ("request", "metrics"):
                yield {**line, "at": line["timestamp"], "event": line["message"]}


@app.command()
def cancel(context: typer.Context, job_id: Id) -> None:
    """End a job, for all users that wait for it."""
    target = target_of(context)
    job = target.job(job_id)
    if job.status.is_terminal:
        say(f"{job_id} is {job.status} already")
        return
    target.store.cancel_for_all(job, clock.now_ms())
    say(f"{job_id} is cancelled")


@app.command()
def send(context: typer.Context, job_id: Id) -> None:
    """Wake a worker for an open job. Safe at any time: a message too many is dropped."""
    target = target_of(context)
    target.queue.send(target.job(job_id))
    say(f"a worker is woken for {job_id}")


@app.command()
def redrive(context: typer.Context, job_ids: Annotated[list[str], typer.Argument()]) -> None:
    """Have jobs run again: an open one by another worker, at once; one that has failed or was
    cancelled as a new run, under the same id, that its client sees."""
    target = target_of(context)
    for job_id in job_ids:
        say(f"{job_id}: {run_again(target, target.job(job_id))}")


def run_again(target: Target, job: Job) -> str:
    """Have a job run again; what was done for it."""
    now_ms = clock.now_ms()
    if job.status is JobStatus.COMPLETED:
        return "completed already"
    if job.status.is_terminal or job.is_overdue(now_ms):
        run = _new_run(job, now_ms)
        admitted = target.store.admit(
            run, daily_quota=NO_LIMIT, most_in_flight=NO_LIMIT, now_ms=now_ms
        )
        target.queue.send(admitted.job)
        return "a new run"
    if job.lease is not None:
        try:
            job = target.leases.release(
                job, Usage(), first_rung=job.first_rung, awaits_capacity=False
            )
        except JobRefused:
            return "it has just moved on by itself"
    target.queue.send(job)
    return "taken from its worker, and sent to another" if job.started_at_ms else "sent again"


def _new_run(job: Job, now_ms: int) -> Job:
    deadline_at_ms = now_ms + job.deadline_at_ms - job.created_at_ms
    return replace(
        job,
        run_id=uuid.uuid4().hex,
        created_at_ms=now_ms,
        deadline_at_ms=deadline_at_ms,
        expires_at_seconds=deadline_at_ms // 1000 + 24 * 3600,
        status=JobStatus.PENDING,
        subscribers=frozenset(),
        started_at_ms=None,
        completed_at_ms=None,
        awaits_capacity=False,
        first_rung=0,
        lease=None,
        result=None,
        error_code=None,
        usage=Usage(),
    )


def today() -> str:
    """The day (UTC), as the table's keys have it."""
    return str(datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date())
