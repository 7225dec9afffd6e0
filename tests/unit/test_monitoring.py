"""monitoring.yaml: what is logged is what its filters wait for, and every alarm hears of it.

The lines are those that the code itself prints in the trouble that each is about, so that a renamed
message breaks a test and not, silently, an alarm.
"""

import asyncio
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import announcement
import app
import subscription
from books import BLIND_SECONDS
from connections import Connections
from prices import known_price
from providers.kinds import Kind
from providers.outcomes import Barred, Down, Misconfigured, Throttled
from simmer.jobs.metrics import METRICS
from simmer.jobs.store import JobStore
from simmer.jobs.story import Event
from simmer.waiting import durations
from simmer.web.push_tokens import PushTokens
from tests.lint_template import MONITORING, TEMPLATE, findings, translated
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud, refused, table_of
from tests.unit.worker.cook import TITLES, Cook, admit
from tests.unit.worker.fakes import VALID, FakeProvider, truncated
from tests.unit.worker.workshop import BEATING, SMALL_MICROUSD, Context, Workshop, until

PARENT = translated(TEMPLATE.read_text())
NESTED = translated(MONITORING.read_text())

type Line = dict[str, Any]
type Printed = Callable[[], list[Line]]


def _of_type(kind: str) -> dict[str, Any]:
    resources = NESTED["Resources"].items()
    return {name: each["Properties"] for name, each in resources if each["Type"] == kind}


FILTERS = _of_type("AWS::Logs::MetricFilter")
ALARMS = _of_type("AWS::CloudWatch::Alarm")
API_FUNCTIONS = ["Submit", "Status", "Cancel", "Push"]


def test_nested_template_is_clean() -> None:
    assert findings(MONITORING.read_text()) == []


def test_lint_of_the_nested_template_catches_a_broken_reference() -> None:
    broken = MONITORING.read_text().replace("!Ref WorkerLogGroup", "!Ref WorkersLogGroup", 1)

    assert [finding for finding in findings(broken) if "WorkersLogGroup" in finding]


# ── How CloudWatch reads a pattern ────────────────────────────────────────────────────────────────


def matches(pattern: str, line: Line) -> bool:
    """The part of CloudWatch's JSON filter patterns that we use: `=`, `!=`, `&&`, `||`, and a `*`
    at the end."""
    inner = re.fullmatch(r"\{ (.*) \}", pattern)
    assert inner, pattern
    return any(
        all(_equals(term, line) for term in either.split(" && "))
        for either in inner[1].split(" || ")
    )


def _equals(term: str, line: Line) -> bool:
    parsed = re.fullmatch(r'\$\.(\w+) (!?=) "([^"*]*)(\*?)"', term)
    assert parsed, f"{term}: not a form that this test can judge"
    name, operator, text, wildcard = parsed.groups()
    value = str(line.get(name))
    is_equal = value.startswith(text) if wildcard else value == text
    return is_equal == (operator == "=")


def heard_by(line: Line) -> set[str]:
    """The metrics that count a line."""
    return {
        properties["MetricTransformations"][0]["MetricName"]
        for properties in FILTERS.values()
        if matches(properties["FilterPattern"], line)
    }


# ── What the code really prints ───────────────────────────────────────────────────────────────────


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printed:
    """The lines that the functions would have printed so far."""
    stream = io.StringIO()
    for handler in logging.getLogger("simmer").handlers:
        monkeypatch.setattr(handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def _a_spent_budget(cloud: Cloud, clock: Clock) -> None:
    shop = Workshop(cloud, clock, SMALL_MICROUSD / 1_000_000)
    shop.job(FakeProvider([VALID]))
    shop.job(FakeProvider([]))


def _a_budget_that_is_nearly_spent(cloud: Cloud, clock: Clock) -> None:
    shop = Workshop(cloud, clock, SMALL_MICROUSD / 1_000_000 / 0.9)
    shop.job(FakeProvider([VALID]))
    shop.job(FakeProvider([VALID]))  # asked for at nine tenths of it


def _a_ledger_that_takes_nothing(cloud: Cloud, clock: Clock) -> None:
    shop = Workshop(cloud, clock)
    add = shop.ledger.add

    def fails(*arguments: Any, **options: Any) -> None:
        cloud.dynamodb.fail("update_item", refused("ProvisionedThroughputExceededException"))
        add(*arguments, **options)

    shop.ledger.add = fails  # type: ignore[method-assign]
    shop.job(FakeProvider([VALID]))


def _a_ledger_that_nobody_could_read_for_long(cloud: Cloud, clock: Clock) -> None:
    shop = Workshop(cloud, clock, daily_budget_usd=1)
    cloud.dynamodb.fail("get_item", refused("InternalServerError"), times=99, about="ledger#")
    shop.job(FakeProvider([VALID]))
    clock.advance(BLIND_SECONDS)
    shop.job(FakeProvider([]))


def _a_model_without_a_price(cloud: Cloud, clock: Clock) -> None:
    known_price.cache_clear()
    shop = Workshop(cloud, clock)
    shop.admit()
    shop.run(FakeProvider([VALID]), [{"model": "small"}])


def _a_wrong_key(cloud: Cloud, clock: Clock) -> None:
    wrong = Misconfigured("status 401")
    Workshop(cloud, clock).job(FakeProvider([wrong, wrong]))


def _an_account_without_credit(cloud: Cloud, clock: Clock) -> None:
    unpaid = Barred(f"{Kind.UNPAID} 402")
    Workshop(cloud, clock).job(FakeProvider([unpaid, unpaid]))


def _a_bug_in_the_climb(cloud: Cloud, clock: Clock) -> None:
    Workshop(cloud, clock).job(FakeProvider([KeyError("x")]))


def _a_bug_around_it(cloud: Cloud, clock: Clock) -> None:
    cloud.dynamodb.fail("update_item", KeyError("x"))
    Workshop(cloud, clock).job(FakeProvider([]))


def _a_bug_while_it_receives(cloud: Cloud, clock: Clock) -> None:
    cloud.sqs.fail("receive_message", KeyError("x"), about="WaitTimeSeconds")
    Workshop(cloud, clock).job(FakeProvider([VALID]), worker_jobs=2)


def _a_message_of_somebody_else(cloud: Cloud, clock: Clock) -> None:
    cloud.sqs.send_message(QueueUrl=cloud.queue_url, MessageBody="nonsense")
    Workshop(cloud, clock).run(FakeProvider([]))


def _a_slow_job(cloud: Cloud, clock: Clock) -> None:
    shop = Workshop(cloud, clock)

    class Slow(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Any:
            clock.advance(durations.PRIOR_LONGEST_SECONDS)
            for _ in range(3):
                looks = cloud.calls.count("get_item")
                await until(lambda: cloud.calls.count("get_item") > looks)  # noqa: B023
            return await super().ask(*arguments, **options)

    shop.job(Slow([VALID]), **BEATING)


TROUBLES: list[tuple[Callable[[Cloud, Clock], None], str, str]] = [
    (_a_spent_budget, "daily budget spent", "JobsWithoutBudget"),
    (_a_budget_that_is_nearly_spent, "daily budget nearly spent", "BudgetsNearlySpent"),
    (_a_ledger_that_takes_nothing, "ledger not written", "LedgerEntriesLost"),
    (_a_ledger_that_nobody_could_read_for_long, "ledger not read", "BlindBudgets"),
    (_a_model_without_a_price, "price unknown", "UnpricedModels"),
    (_a_wrong_key, "model call", "MisconfiguredModelCalls"),
    (_an_account_without_credit, "model call", "ProvidersOutOfCredit"),
    (_a_bug_in_the_climb, "attempt failed", "Bugs"),
    (_a_bug_around_it, "message failed", "Bugs"),
    (_a_bug_while_it_receives, "nothing received", "Bugs"),
    (_a_message_of_somebody_else, "unreadable message", "UnreadableMessages"),
    (_a_slow_job, "job slow", "SlowJobs"),
]


@pytest.mark.parametrize(("trouble", "message", "metric"), TROUBLES)
def test_trouble_of_the_worker_is_counted_by_its_metric_and_by_no_other(
    cloud: Cloud,
    clock: Clock,
    printed: Printed,
    trouble: Callable[[Cloud, Clock], None],
    message: str,
    metric: str,
) -> None:
    trouble(cloud, clock)
    lines = [line for line in printed() if line["message"] == message]
    in_the_workers_log = {
        properties["MetricTransformations"][0]["MetricName"]
        for properties in FILTERS.values()
        if properties["LogGroupName"] == {"Ref": "WorkerLogGroup"}
    }

    assert metric in in_the_workers_log
    assert metric in set().union(*(heard_by(line) for line in lines))
    assert {heard for line in printed() for heard in heard_by(line)} == {metric}


def test_a_ledger_that_cannot_be_read_for_a_moment_alarms_nobody(
    cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    shop = Workshop(cloud, clock, daily_budget_usd=1)
    cloud.dynamodb.fail("get_item", refused("InternalServerError"), times=99, about="ledger#")
    shop.job(FakeProvider([VALID]))

    assert "ledger not read" in {line["message"] for line in printed()}
    assert [line for line in printed() if heard_by(line)] == []


def test_a_queue_that_gives_nothing_for_a_moment_alarms_nobody(
    cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    cloud.sqs.fail("receive_message", LOST_ANSWER, about="WaitTimeSeconds")
    Workshop(cloud, clock).job(FakeProvider([VALID]), worker_jobs=2)

    assert "nothing received" in {line["message"] for line in printed()}
    assert [line for line in printed() if heard_by(line)] == []


def test_a_job_is_called_slow_once_an_attempt_however_often_its_heart_beats(
    cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    _a_slow_job(cloud, clock)
    slow = [line for line in printed() if line["message"] == "job slow"]

    assert [line["level"] for line in slow] == ["WARNING"]


def _a_bug_in_an_http_function(cloud: Cloud, api: Api) -> None:
    cloud.dynamodb.fail("get_item", KeyError("x"))
    assert api.status("0" * 32)["statusCode"] == 500


def _a_bug_in_push(cloud: Cloud, api: Api) -> None:
    said = {"action": "subscribe", "jobId": "0", "token": "t"}
    event = {"requestContext": {"connectionId": "phone"}, "body": json.dumps(said)}
    store = JobStore(table_of(cloud.dynamodb))
    tokens: Any = None
    assert json.loads(subscription.answer(event, store, tokens, 0))["status"] == 500


@pytest.mark.parametrize("trouble", [_a_bug_in_an_http_function, _a_bug_in_push])
def test_a_bug_behind_the_apis_is_counted_in_the_log_of_every_function_that_serves_them(
    api: Api, cloud: Cloud, printed: Printed, trouble: Callable[[Cloud, Api], None]
) -> None:
    trouble(cloud, api)
    [line] = [line for line in printed() if heard_by(line)]
    listening = [
        properties["LogGroupName"]["Ref"]
        for properties in FILTERS.values()
        if matches(properties["FilterPattern"], line)
    ]

    assert heard_by(line) == {"Bugs"}
    told = ["Events", "Webhook"]  # where such a line says the same
    assert sorted(listening) == sorted(f"{name}LogGroup" for name in [*API_FUNCTIONS, *told])


def _a_gateway_that_takes_no_frame(cloud: Cloud, job_id: str) -> None:
    image = cloud.image(job_id) | {"subscribers": {"SS": ["phone"]}}
    cloud.connections.fail("post_to_connection", refused("ForbiddenException"))
    record = {"dynamodb": {"NewImage": image, "SequenceNumber": "1"}}
    connections = Connections(cloud.connections)  # type: ignore[arg-type]
    store = JobStore(table_of(cloud.dynamodb))
    assert announcement.announce([record], connections, store, 0) == ["1"]


def _a_push_key_that_cannot_be_read(cloud: Cloud, job_id: str) -> None:
    said = {"action": "subscribe", "jobId": job_id, "token": "t"}
    event = {"requestContext": {"connectionId": "phone"}, "body": json.dumps(said)}
    store = JobStore(table_of(cloud.dynamodb))
    tokens = PushTokens(cloud.secrets, "no such secret")  # type: ignore[arg-type]
    assert json.loads(subscription.answer(event, store, tokens, 0))["status"] == 503


@pytest.mark.parametrize(
    "trouble", [_a_gateway_that_takes_no_frame, _a_push_key_that_cannot_be_read]
)
def test_trouble_of_push_that_polling_makes_good_is_counted_all_the_same(
    api: Api, cloud: Cloud, printed: Printed, trouble: Callable[[Cloud, str], None]
) -> None:
    trouble(cloud, json.loads(api.submit({"ingredients": ["egg"]})["body"])["jobId"])
    [line] = [line for line in printed() if heard_by(line)]

    assert heard_by(line) == {"PushFailures"}


def test_a_job_without_trouble_is_counted_by_nothing(
    api: Api, cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    job_id = json.loads(api.submit({"ingredients": ["egg"]})["body"])["jobId"]
    Workshop(cloud, clock).run(FakeProvider([VALID, VALID, VALID, VALID]))
    api.status(job_id)
    api.status("no such job")

    assert {"job claimed", "model call", "request"} <= {line["message"] for line in printed()}
    assert [line for line in printed() if heard_by(line)] == []


def test_every_function_has_a_filter_for_its_bugs() -> None:
    functions = {
        resource["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for resource in PARENT["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    watched = {
        properties["LogGroupName"]["Ref"]
        for properties in FILTERS.values()
        if properties["MetricTransformations"][0]["MetricName"] == "Bugs"
    }

    assert watched == functions


# ── What is counted is looked at ──────────────────────────────────────────────────────────────────


def test_every_metric_of_a_filter_has_one_alarm_and_every_alarm_of_ours_a_filter() -> None:
    counted = {
        (str(made["MetricNamespace"]), made["MetricName"])
        for properties in FILTERS.values()
        for made in properties["MetricTransformations"]
    }
    watched = [
        (str(alarm["Namespace"]), alarm["MetricName"])
        for alarm in ALARMS.values()
        if "MetricName" in alarm
    ]
    ours = [pair for pair in watched if not pair[0].startswith("AWS/")]

    assert sorted(ours) == sorted(counted)


def test_every_trouble_of_the_list_above_has_its_metric() -> None:
    counted = {each["MetricTransformations"][0]["MetricName"] for each in FILTERS.values()}

    others = {"PushFailures", "WebhookFailures"}
    assert {metric for _, _, metric in TROUBLES} | others == counted


RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_names_its_page_of_the_runbook(name: str) -> None:
    own = re.sub(r"(?<!^)([A-Z])", r"-\1", name.removesuffix("Alarm")).lower()

    assert f"Commands: docs/runbook.md#{own}" in ALARMS[name]["AlarmDescription"]
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert own in [heading.lower().replace(" ", "-") for heading in headings]


# What Lambda itself logs at the level WARN: of reports only those of a failure. There is no line
# "Task timed out" (any more): a report has the status "timeout".
OF_LAMBDA = {"platform.report"}


def test_runbook_looks_for_lines_that_somebody_logs() -> None:
    looked_for = {
        text.strip('"')
        for text in re.findall(r'^./simmer-admin logs ("[^"]+"|\S+)', RUNBOOK.read_text(), re.M)
    }
    code = "".join(
        path.read_text()
        for folder in ("layers", "functions")
        for path in (RUNBOOK.parents[1] / folder).rglob("*.py")
    )

    assert len(looked_for) > 15
    assert [text for text in looked_for - OF_LAMBDA if f'"{text}"' not in code] == []
    level = PARENT["Resources"]["WorkerFunction"]["Properties"]["LoggingConfig"]["SystemLogLevel"]
    assert level == "WARN"


def test_nearly_spent_budget_is_told_once_a_day(
    cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    shop = Workshop(cloud, clock, SMALL_MICROUSD / 1_000_000 / 0.3)
    for _ in range(4):
        shop.job(FakeProvider([VALID]))
    told = [line["level"] for line in printed() if line["message"] == "daily budget nearly spent"]

    assert told == ["WARNING"]


def test_nothing_is_counted_that_did_not_happen() -> None:
    """A default value would be a custom metric in every hour of the month, which is billed."""
    for properties in FILTERS.values():
        [made] = properties["MetricTransformations"]
        assert (made["MetricValue"], "DefaultValue" in made) == ("1", False)


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_says_what_to_do_is_silent_without_data_and_tells_the_topic(name: str) -> None:
    alarm = ALARMS[name]

    assert len(alarm["AlarmDescription"]) > 100
    assert len(alarm["AlarmDescription"]) <= 1024
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmActions"] == {
        "Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]
    }


def test_file_says_what_the_alarms_cost() -> None:
    said = re.search(r"\$0\.10 a month, the \w+ here \$(\d\.\d\d): ", MONITORING.read_text())
    metrics = sum(len(list(_metrics(alarm))) for alarm in ALARMS.values())  # each is billed

    assert said
    assert float(said[1]) == pytest.approx(metrics * 0.10)


def test_readme_says_how_many_alarms_there_are_and_what_they_cost() -> None:
    said = re.search(
        r"(\d+) alarms come with it \(\$(\d\.\d\d) a month; (\w+) more with `WebhookUrl`\)",
        (RUNBOOK.parents[1] / "README.md").read_text(),
    )
    always = [name for name in ALARMS if "Condition" not in NESTED["Resources"][name]]
    metrics = sum(len(list(_metrics(ALARMS[name]))) for name in always)

    assert said
    assert int(said[1]) == len(always)
    assert float(said[2]) == pytest.approx(metrics * 0.10)
    assert said[3] == {3: "three"}[len(ALARMS) - len(always)]


# ── What AWS counts ───────────────────────────────────────────────────────────────────────────────

# The metrics of AWS that alarms and dashboard look at, with their dimensions: from its documents. A
# name that AWS does not know is no error anywhere, only silence.
AWS_METRICS = {
    "AWS/ApiGateway": (
        {"ApiId"},
        {"Count", "4xx", "5xx", "Latency"}  # of an HTTP API
        | {"ConnectCount", "MessageCount", "ClientError", "IntegrationError"},  # of a WebSocket
    ),
    "AWS/Lambda": (
        {"FunctionName"},
        {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"},
    ),
    "AWS/SQS": (
        {"QueueName"},
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
        },
    ),
    "AWS/DynamoDB": (
        {"TableName"},
        {"ReadThrottleEvents", "WriteThrottleEvents"}
        | {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    ),
    "AWS/Usage": ({"Service", "Type", "Resource", "Class"}, {"ResourceCount"}),
}
# Which parameter of the nested stack may stand for a dimension.
VALUES = {
    "ApiId": {"ApiId", "PushApiId"},
    "FunctionName": {f"{name}FunctionName" for name in (*API_FUNCTIONS, "Worker", "Events")},
    "QueueName": {
        *("JobsQueueName", "JobsDeadLetterQueueName", "EventsDeadLetterQueueName"),
        *("WebhookQueueName", "WebhookDeadLetterQueueName"),
    },
    "TableName": {"JobsTableName"},
}
OF_THE_ACCOUNT = {("AWS/Lambda", "Throttles")}  # has no dimension there


def _metrics(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(namespace, name, dimensions) of what an alarm looks at."""
    for metric in [
        each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each
    ] or [alarm]:
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
        yield str(metric["Namespace"]), metric["MetricName"], dimensions


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_looks_at_a_metric_that_there_is(name: str) -> None:
    for namespace, metric, dimensions in _metrics(ALARMS[name]):
        if namespace.startswith("AWS/"):
            known, metrics = AWS_METRICS[namespace]
            assert metric in metrics
            assert set(dimensions) == (set() if (namespace, metric) in OF_THE_ACCOUNT else known)
            for dimension, value in dimensions.items():
                assert dimension not in VALUES or value["Ref"] in VALUES[dimension]


@pytest.mark.parametrize("name", [name for name in ALARMS if "Metrics" in ALARMS[name]])
def test_formula_of_an_alarm_is_of_its_own_metrics_and_is_its_only_result(name: str) -> None:
    parts = {each["Id"]: each for each in ALARMS[name]["Metrics"]}
    [formula] = [each for each in parts.values() if "Expression" in each]
    names = set(re.findall(r"\b[a-z]\w*\b", formula["Expression"]))

    assert names == set(parts) - {formula["Id"]}
    assert [each["Id"] for each in parts.values() if each.get("ReturnData", True)] == [
        formula["Id"]
    ]


def _dashboard() -> list[dict[str, Any]]:
    [dashboard] = _of_type("AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    return widgets


def test_dashboard_reads_from_the_top_as_a_job_flows() -> None:
    widgets = _dashboard()
    heads = [each for each in widgets if each["type"] == "text"]

    assert [each["y"] for each in widgets] == sorted(each["y"] for each in widgets)
    assert [each["properties"]["markdown"][:5] for each in heads] == [
        f"## {number}." for number in range(1, 8)
    ]
    places = {(each["x"], each["y"]) for each in widgets}
    assert len(places) == len(widgets)
    assert all(each["x"] + each["width"] <= 24 for each in widgets)


NAMESPACE = "Simmer/${StackName}"
type Emitted = dict[str, list[dict[str, str]]]


@pytest.fixture
def emitted(
    api: Api, cloud: Cloud, clock: Clock, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> Emitted:
    """What jobs of every fate have CloudWatch count: by metric, the dimensions that it had."""
    monkeypatch.setenv("METRICS", "true")
    monkeypatch.setenv("METRICS_NAMESPACE", NAMESPACE)
    shop = Workshop(cloud, clock)

    def handle(record: dict[str, Any], provider: FakeProvider) -> None:
        asyncio.run(app.process({"Records": [record]}, Context(), shop.worker(provider)))

    def job(*answers: Any, cancels: bool = False) -> str:
        given = ["두부", "Tofu", "crème fraîche", f"spice {len(cloud.jobs())}"]
        body = {"ingredients": given, "count": 2, "locale": "en"}
        job_id = str(json.loads(api.submit(body)["body"])["jobId"])
        api.submit(body)
        clock.advance(1.5)

        def answered(answer: Any) -> Any:
            def give() -> Any:
                clock.advance(3)
                if cancels:
                    api.cancel(job_id)
                return answer

            return give

        # Its own message: one that was given back may show up among those of the next.
        record = next(each for each in shop.receive() if job_id in each["body"])
        handle(record, FakeProvider([answered(each) for each in answers]))
        api.submit(body)
        return job_id

    job("nonsense", "nonsense", VALID)
    job(Throttled("no room 429", 0), Down("timeout"))
    job(truncated(), truncated(), truncated(), truncated())
    job(VALID, cancels=True)
    with monkeypatch.context() as patches:
        patches.setattr("simmer.task.task.MAX_PARTS", len(TITLES))
        asyncio.run(_in_parts(shop, cloud))
    dies = shop.admit()
    [record] = [each for each in shop.receive() if dies.job_id in each["body"]]

    def die() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handle(record, FakeProvider([die]))
    clock.advance(30)
    again = {**record, "attributes": {"ApproximateReceiveCount": "2"}}
    handle(again, FakeProvider([VALID]))
    found: Emitted = {}
    for line in printed():
        for about in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert about["Namespace"] == NAMESPACE
            for metric in about["Metrics"]:
                dimensions = {name: line[name] for name in about["Dimensions"][0]}
                found.setdefault(metric["Name"], []).append(dimensions)
    return found


async def _in_parts(shop: Workshop, cloud: Cloud) -> None:
    """A job whose first part comes last, so that the others are stored before the end."""
    late = asyncio.Event()
    job, worker = admit(shop), shop.worker(Cook(waits_for={TITLES[0]: late}))
    [record] = [each for each in shop.receive() if job.job_id in each["body"]]
    running = asyncio.create_task(app.process({"Records": [record]}, Context(), worker))
    shop.clock.advance(16)
    await until(lambda: "part_1" in cloud.job(job.job_id))
    late.set()
    await running


def test_jobs_of_every_fate_tell_every_event_and_have_every_metric_counted(
    emitted: Emitted,
) -> None:
    events = {dimensions["event"] for dimensions in emitted["simmer.job.events"]}
    metrics = {each.name for metrics in METRICS.values() for each in metrics}

    assert events == set(Event)
    assert set(emitted) == metrics | {"simmer.job.events"}


def test_dashboard_shows_metrics_that_there_are(emitted: Emitted) -> None:
    counted = {each["MetricTransformations"][0]["MetricName"] for each in FILTERS.values()}
    shown = set()
    for widget in _dashboard():
        for namespace, metric, *rest in map(_parts, widget["properties"].get("metrics", [])):
            if namespace == NAMESPACE and metric in emitted:
                shown.add(metric)
                named = [each for each in rest if isinstance(each, str)]
                given = dict(zip(named[::2], named[1::2], strict=True))
                assert any(_fits(given, each) for each in emitted[metric]), widget["properties"]
                continue
            if namespace == NAMESPACE:
                shown.add(metric)
                continue
            dimension, value = rest[:2]
            known, metrics = AWS_METRICS[namespace]
            assert ({dimension}, metric in metrics) == (known, True)
            assert value.removeprefix("${").removesuffix("}") in VALUES[dimension]

    assert shown == counted | set(emitted)


def _parts(metric: list[Any]) -> list[Any]:
    """A metric of a widget, or of its search, as [namespace, name, dimension, value or "*", …]."""
    if not isinstance(metric[0], dict):
        return metric
    searched = re.fullmatch(
        r"""SEARCH\('\{"([^"]+)"((?:,"[^"]+")*)\} MetricName="([^"]+)"', '\w+', 300\)""",
        metric[0]["expression"],
    )
    assert searched, metric
    namespace, dimensions, name = searched.groups()
    named = re.findall(r'"([^"]+)"', dimensions)
    return [namespace, name, *(part for each in named for part in (each, "*"))]


def _fits(given: dict[str, str], dimensions: dict[str, str]) -> bool:
    """CloudWatch finds a metric by all of its dimensions, and by no part of them."""
    return set(given) == set(dimensions) and all(
        value in ("*", dimensions[name]) for name, value in given.items()
    )


def test_dashboard_asks_the_log_for_what_the_code_prints(
    cloud: Cloud, clock: Clock, printed: Printed
) -> None:
    Workshop(cloud, clock).job(FakeProvider([VALID]))
    queries = [widget["properties"]["query"] for widget in _dashboard() if widget["type"] == "log"]

    assert queries
    for query in queries:
        assert query.startswith("SOURCE '${WorkerLogGroup}' | filter message = ")
        [message] = re.findall(r'filter message = "([^"]+)"', query)
        [line] = [line for line in printed() if line["message"] == message]
        fields = {
            name
            for list_ in re.findall(r" by ([\w, ]+)", query)
            for name in re.split(r", ?", list_.split(" |")[0].strip())
        }
        fields |= set(re.findall(r"sum\((\w+)\)", query))
        assert fields
        assert fields <= set(line)


def test_oldest_message_may_be_as_old_as_a_workers_run_and_no_older_than_the_deadline() -> None:
    threshold = ALARMS["WaitingJobsAlarm"]["Threshold"]
    function_timeout = PARENT["Resources"]["WorkerFunction"]["Properties"]["Timeout"]
    deadline = int(PARENT["Parameters"]["JobDeadlineSeconds"]["Default"])

    assert function_timeout < threshold < deadline


# ── The way in ────────────────────────────────────────────────────────────────────────────────────


def test_nested_stack_is_given_every_parameter_it_has() -> None:
    given = PARENT["Resources"]["Monitoring"]["Properties"]["Parameters"]

    assert set(given) == set(NESTED["Parameters"])
    logs = {name: value for name, value in given.items() if name.endswith("LogGroup")}
    assert logs.pop("WebhookLogGroup") == _if_there_is_a_webhook({"Ref": "WebhookLogGroup"})
    assert logs == {name: {"Ref": name} for name in logs}


def _if_there_is_a_webhook(value: dict[str, Any]) -> dict[str, Any]:
    return {"Fn::If": ["HasWebhook", value, ""]}


def test_without_a_webhook_nothing_looks_at_one() -> None:
    of_the_webhook = {
        name: each["Condition"] for name, each in NESTED["Resources"].items() if "Webhook" in name
    }

    assert len(of_the_webhook) == 5
    assert set(of_the_webhook.values()) == {"HasWebhook"}
    assert NESTED["Conditions"]["HasWebhook"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "WebhookQueueName"}, ""]}]
    }


def test_nested_stack_is_given_what_the_names_say() -> None:
    given = PARENT["Resources"]["Monitoring"]["Properties"]["Parameters"]

    for name in (*API_FUNCTIONS, "Worker", "Events"):
        assert given[f"{name}FunctionName"] == {"Ref": f"{name}Function"}
    assert (given["ApiId"], given["PushApiId"]) == ({"Ref": "Api"}, {"Ref": "PushApi"})
    assert given["JobsTableName"] == {"Ref": "JobsTable"}
    for queue in ("JobsQueue", "JobsDeadLetterQueue", "EventsDeadLetterQueue"):
        assert given[f"{queue}Name"] == {"Fn::GetAtt": [queue, "QueueName"]}
    for queue in ("WebhookQueue", "WebhookDeadLetterQueue"):
        value = {"Fn::GetAtt": [queue, "QueueName"]}
        assert given[f"{queue}Name"] == _if_there_is_a_webhook(value)
    assert given["StackName"] == {"Ref": "AWS::StackName"}


def test_alarms_tell_nobody_until_a_topic_is_given() -> None:
    assert PARENT["Parameters"]["AlarmTopicArn"]["Default"] == ""


def test_every_parameter_is_described_and_nothing_has_a_physical_name() -> None:
    assert all(each["Description"] for each in NESTED["Parameters"].values())
    assert not [name for name, each in FILTERS.items() if "FilterName" in each]
    # But those that a gradual deployment must know, which cannot wait for this stack.
    named = {name: each["AlarmName"] for name, each in ALARMS.items() if "AlarmName" in each}
    assert named == {
        "ApiFailingAlarm": {"Fn::Sub": "${StackName}-api-failing"},
        "BugsAlarm": {"Fn::Sub": "${StackName}-bugs"},
    }
