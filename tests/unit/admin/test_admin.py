"""`simmer-admin` on cases that a stack on the emulator does not have at will."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
import typer
from moto import mock_aws
from moto.backends import get_backend
from typer.testing import CliRunner

import admin.__main__ as admin
from admin import jobs, letters, look
from admin.target import Target
from deploy.inside import Stack
from simmer import clock as simmer_clock
from simmer.jobs.item import job_of
from simmer.jobs.job import Job
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide, table_of
from tests.unit.jobs import a_job
from tests.unit.test_deployment import FUNCTIONS
from tests.unit.worker.workshop import Workshop


class Bench(Target):
    """A stack whose table and queues are the test's."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self.shop = Workshop(cloud, clock)
        queue = boto3.client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
        self.__dict__ |= {
            "table": table_of(cloud.dynamodb),
            "sqs": boto3.client("sqs"),
            "stack": SimpleNamespace(
                outputs={"EventBusName": "bus", "JobsQueueUrl": cloud.queue_url},
                ids={"JobsDeadLetterQueue": queue, "EventsFunction": "events"},
            ),
        }
        self.dead_letters = queue

    def died(self, job: Job, **fields: str) -> None:
        """The message of the job, put aside."""
        body = json.dumps({"jobId": job.job_id, "runId": job.run_id, "task": job.task} | fields)
        self.sqs.send_message(QueueUrl=self.dead_letters, MessageBody=body)

    def left(self, queue: str = "JobsDeadLetterQueue") -> int:
        url = self.stack.ids[queue]
        known = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(known["ApproximateNumberOfMessages"]) + int(
            known["ApproximateNumberOfMessagesNotVisible"]
        )


@pytest.fixture
def bench(cloud: Cloud, clock: Clock) -> Bench:
    return Bench(cloud, clock)


def context(target: Target) -> typer.Context:
    return cast(typer.Context, SimpleNamespace(obj=lambda: target))


def test_redrive_gives_a_job_whose_time_is_over_a_new_run_and_a_new_deadline(
    bench: Bench, clock: Clock, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    job = bench.shop.admit()
    cloud.messages()
    bench.died(job)
    clock.advance(24 * 3600)

    letters.redrive(context(bench))

    assert f"{job.job_id}: a new run" in capsys.readouterr().out
    again = bench.job(job.job_id)
    assert again.run_id != job.run_id
    assert again.status == "pending"
    lasts_ms = job.deadline_at_ms - job.created_at_ms
    assert again.deadline_at_ms == clock.now_ms + lasts_ms
    assert [each["runId"] for each in cloud.messages()] == [again.run_id]
    assert bench.left() == 0


def test_redrive_leaves_a_job_alone_that_was_submitted_again_meanwhile(
    bench: Bench, clock: Clock, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its old message would else take the new run from the worker that has it."""
    job = bench.shop.admit()
    cloud.messages()
    bench.died(job, runId="the one before")

    letters.redrive(context(bench))

    assert f"{job.job_id}: runs anew already" in capsys.readouterr().out
    assert bench.job(job.job_id) == job
    assert cloud.messages() == []
    assert bench.left() == 0


def test_redrive_leaves_messages_that_are_of_no_job(bench: Bench) -> None:
    bench.sqs.send_message(QueueUrl=bench.dead_letters, MessageBody="nonsense")
    bench.died(bench.shop.admit(), jobId="no-more")

    letters.redrive(context(bench))

    assert bench.left() == 2


def test_ends_that_a_webhooks_server_never_took_are_told_again(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {
        name: bench.sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in ("WebhookQueue", "WebhookDeadLetterQueue")
    }
    bench.stack.ids = ids
    for number in range(11):
        bench.sqs.send_message(QueueUrl=ids["WebhookDeadLetterQueue"], MessageBody=f"end {number}")

    letters.redrive(context(bench), letters.Of.WEBHOOK)
    look.queues(context(bench))

    said = capsys.readouterr().out
    assert said.count("an end is told again") == 11
    assert {line.split()[0]: line.split()[1:] for line in said.splitlines() if "Queue" in line} == {
        "WebhookQueue": ["11", "0"],
        "WebhookDeadLetterQueue": ["0", "0"],
    }


class Aws:
    """Takes what is put on the bus, and what the events function is called with."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.put: list[dict[str, Any]] = []
        self.told: list[str] = []
        self._is_broken = is_broken

    def __call__(self, service: str) -> "Aws":
        assert service in ("events", "lambda")
        return self

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.put += Entries
        return {"FailedEntryCount": int(self._is_broken)}

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: str) -> Any:  # noqa: N803
        assert (FunctionName, Qualifier) == ("events", "live")
        records = json.loads(Payload)["Records"]
        assert len(records) <= 10
        self.told += [job_of(each["dynamodb"]["NewImage"]).job_id for each in records]
        return {"FunctionError": "Unhandled"} if self._is_broken else {}


def put_aside(bench: Bench, body: dict[str, Any]) -> str:
    queue = str(bench.sqs.create_queue(QueueName="events-dead")["QueueUrl"])
    bench.stack.ids["EventsDeadLetterQueue"] = queue
    bench.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
    return queue


def records_between(first_ms: int, last_ms: int) -> dict[str, Any]:
    """What Lambda puts aside: it names the records, and does not hold them."""
    first, last = (
        datetime.fromtimestamp(each / 1000, UTC).isoformat().replace("+00:00", "Z")
        for each in (first_ms, last_ms)
    )
    about = {"approximateArrivalOfFirstRecord": first, "approximateArrivalOfLastRecord": last}
    return {"DDBStreamBatchInfo": about, "requestContext": {"condition": "RetryAttemptsExhausted"}}


def test_ends_that_lambda_put_aside_are_told_again_by_the_function(
    bench: Bench, cloud: Cloud, clock: Clock, worker: WorkerSide
) -> None:
    ended = [bench.shop.admit().job_id for _ in range(12)]
    for job_id in ended:
        worker.complete(job_id)
    first_ms = clock.now_ms
    clock.advance(5)
    open_, later = bench.shop.admit(), bench.shop.admit()
    put_aside(bench, records_between(first_ms, clock.now_ms))
    clock.advance(60)
    worker.complete(later.job_id)
    every = [*ended, open_.job_id, later.job_id]
    bench.__dict__ |= {"aws": (aws := Aws()), "scan": lambda _: map(cloud.image, every)}

    letters.redrive(context(bench), letters.Of.EVENTS)

    assert aws.told == ended
    assert bench.left("EventsDeadLetterQueue") == 0


def test_event_that_a_rules_target_did_not_take_is_put_on_the_bus_again(bench: Bench) -> None:
    detail = {"id": "r-ended", "jobId": "j"}
    put_aside(bench, {"source": "simmer", "detail-type": "job.ended", "detail": detail})
    bench.__dict__["aws"] = aws = Aws()

    letters.redrive(context(bench), letters.Of.EVENTS)

    [entry] = aws.put
    assert json.loads(entry.pop("Detail")) == detail
    assert entry == {"EventBusName": "bus", "Source": "simmer", "DetailType": "job.ended"}
    assert bench.left("EventsDeadLetterQueue") == 0


@pytest.mark.parametrize("kind", ["records", "event"])
def test_event_that_fails_again_stays(
    bench: Bench, cloud: Cloud, clock: Clock, worker: WorkerSide, kind: str
) -> None:
    job = bench.shop.admit()
    worker.complete(job.job_id)
    event = {"source": "simmer", "detail-type": "job.ended", "detail": {}}
    put_aside(bench, event if kind == "event" else records_between(clock.now_ms, clock.now_ms))
    bench.__dict__ |= {"aws": Aws(is_broken=True), "scan": lambda _: [cloud.image(job.job_id)]}

    with pytest.raises(LookupError):
        letters.redrive(context(bench), letters.Of.EVENTS)

    assert bench.left("EventsDeadLetterQueue") == 1


@pytest.mark.parametrize("given", [[], ["jobs"], ["events"], ["webhook"]])
def test_command_line_takes_whose_dead_letters_are_meant(bench: Bench, given: list[str]) -> None:
    asked = []
    bench.__dict__["sqs"] = SimpleNamespace(purge_queue=lambda **about: asked.append(about))
    bench.stack.ids = {f"{each.capitalize()}DeadLetterQueue": each for each in letters.Of}

    done = CliRunner().invoke(letters.app, ["empty", *given], obj=lambda: bench)

    assert (done.exit_code, done.output) == (0, "the dead-letter queue is empty\n")
    assert asked == [{"QueueUrl": given[0] if given else "jobs"}]


@pytest.mark.parametrize("command", ["spend", "durations"])
def test_days_that_the_ledger_has_not_are_refused(command: str) -> None:
    for days in ("0", "401"):
        done = CliRunner().invoke(admin.app, ["--env", "local", command, "--days", days])
        assert done.exit_code == 2
        assert "Invalid value for '--days'" in done.output


def test_queue_is_emptied(bench: Bench) -> None:
    put_aside(bench, {})

    letters.empty(context(bench), letters.Of.EVENTS)

    assert bench.left("EventsDeadLetterQueue") == 0


def test_stack_without_a_webhook_says_so(bench: Bench) -> None:
    bench.stack.ids = {}

    with pytest.raises(LookupError, match="no WebhookDeadLetterQueue"):
        letters.redrive(context(bench), letters.Of.WEBHOOK)


def test_list_of_dead_letters_says_what_became_of_each(
    bench: Bench, clock: Clock, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    overdue = bench.shop.admit()
    clock.advance(3600)
    open_ = bench.shop.admit()
    bench.died(overdue)
    bench.died(open_)
    bench.died(open_, jobId="no-more")
    bench.sqs.send_message(QueueUrl=bench.dead_letters, MessageBody="nonsense")

    letters.list_letters(context(bench))

    said = capsys.readouterr().out
    rows = {line.split()[2]: line.split()[3:] for line in said.splitlines() if ":" in line}
    assert rows == {
        overdue.job_id: ["failed", "deadline_exceeded"],
        open_.job_id: ["pending"],
        "no-more": ["forgotten"],
        "unreadable": [],
    }


def test_job_that_nobody_has_failed_yet_is_found_among_the_failed(
    bench: Bench, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    job = bench.shop.admit()
    bench.__dict__["jobs"] = lambda: iter([bench.job(job.job_id)])
    clock.advance(3600)

    jobs.list_jobs(context(bench), status="failed", code="deadline_exceeded", ids=True)

    assert capsys.readouterr().out.split() == [job.job_id]


@pytest.fixture
def logged() -> Iterator[Target]:
    """A stack each of whose functions has logged that it went wrong about two jobs."""
    with mock_aws():
        get_backend("logs")["123456789012"]["us-east-1"].reset()
        logs = boto3.client("logs")
        for name in FUNCTIONS:
            group = f"group-of-{name}"
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="s")
            about = {"jobIds": ["j", "k"]} if name == "EventsFunction" else {"jobId": "j"}
            line = about | {"message": f"trouble in {name}", "timestamp": name, "task": "recipe"}
            told = [{"timestamp": simmer_clock.now_ms(), "message": json.dumps(line)}]
            logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=told)
        target: Any = object.__new__(Target)
        target.aws = cast(Any, boto3.client)
        target.stack = Stack(target.aws, "simmer")
        target.stack.__dict__["ids"] = {name: name for name in FUNCTIONS} | {
            name.replace("Function", "LogGroup"): f"group-of-{name}" for name in FUNCTIONS
        }
        yield target


def test_logs_are_those_of_every_function(
    logged: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page of the runbook may ask for a line of any of them."""
    look.logs(context(logged), "trouble", 60)

    said = capsys.readouterr().out
    assert [name for name in FUNCTIONS if f"trouble in {name}" not in said] == []
    assert f"{len(FUNCTIONS)} lines" in said


def test_story_of_a_job_has_the_lines_of_every_function(logged: Target, clock: Clock) -> None:
    def story(job_id: str) -> set[str]:
        return {line["at"] for line in jobs._story(logged, a_job(clock, job_id=job_id))}

    clock.advance(-3600)
    assert story("j") == set(FUNCTIONS)
    assert story("k") == {"EventsFunction"}
