"""What operators' credentials show of a stack, where the emulator cannot be made to be so."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from deploy import inside
from deploy.inside import NEEDED, SOURCES, Stack
from tests.unit.cloud import refused
from tests.unit.test_deployment import FUNCTIONS

IDS = {each: each for each in [*FUNCTIONS, "WorkerLogGroup", "AlarmTopic"]}


def stack(**services: Any) -> Stack:
    """A stack of these services, `lambda_` for `lambda`; each a mapping of calls to answers."""

    def aws(service: str) -> Any:
        answers = services[service.replace("lambda", "lambda_")]
        return SimpleNamespace(
            **{name: _call(answer) for name, answer in answers.items()},
        )

    made = Stack(aws, "simmer")
    made.__dict__["ids"] = IDS
    return made


def _call(answer: Any) -> Any:
    def call(**_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


def test_every_function_of_the_template_is_looked_at() -> None:
    assert set(NEEDED) == set(FUNCTIONS)
    assert set(SOURCES) == {*FUNCTIONS} - {"SubmitFunction", "StatusFunction", "CancelFunction"}


def test_webhook_that_is_not_there_is_not_missed() -> None:
    without = stack()
    without.__dict__["ids"] = {name: name for name in IDS if "Webhook" not in name}

    assert set(without.functions) == {*FUNCTIONS} - {"WebhookFunction"}


@pytest.mark.parametrize(
    ("limit", "workers", "is_named"), [(10, 5, False), (10, 10, True), (1000, 50, False)]
)
def test_workers_that_may_take_all_that_an_account_runs_at_once_are_named(
    limit: int, workers: int, is_named: bool
) -> None:
    mapping = {"ScalingConfig": {"MaximumConcurrency": workers}}
    answers = {
        "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": limit}},
        "list_event_source_mappings": {"EventSourceMappings": [mapping]},
    }
    said = "\n".join(inside.concurrency(stack(lambda_=answers)))

    assert (f"{workers} workers" in said and "L-B99A9384" in said) == is_named


def test_function_that_somebody_switched_off_is_named() -> None:
    answers = {"invoke": refused("TooManyRequestsException")}
    said = list(inside.functions(stack(lambda_=answers)))

    assert [each.partition(" ")[0] for each in said] == list(NEEDED)
    assert "its reserved concurrency is used up or 0" in said[0]


@pytest.mark.parametrize(
    ("arn", "is_named"),
    [("PendingConfirmation", True), ("arn:aws:sns:us-east-1:1:topic:s", False)],
)
def test_mail_address_that_has_not_confirmed_is_named(arn: str, is_named: bool) -> None:
    subscriptions = [{"SubscriptionArn": arn, "Endpoint": "ops@example.com"}]
    answers = {"list_subscriptions_by_topic": {"Subscriptions": subscriptions}}
    said = "\n".join(inside.alarms(stack(sns=answers)))

    assert ("ops@example.com is told of no alarm" in said) == is_named


def test_calls_of_models_are_told_as_the_workers_log_has_them() -> None:
    lines = [
        "START of Lambda's own",
        json.dumps({"message": "model call", "jobId": "j", "model": "a", "ending": "status 401"}),
        json.dumps({"message": "model call", "jobId": "j", "model": "a", "ending": "status 401"}),
        json.dumps({"message": "model call", "jobId": "other", "model": "b", "ending": "ok"}),
        json.dumps({"message": "job claimed", "jobId": "j"}),
    ]
    pages: list[dict[str, Any]] = [
        {"events": []},
        {"events": [{"message": each} for each in lines]},
    ]

    class Pages:
        @staticmethod
        def paginate(**_: Any) -> list[dict[str, Any]]:
            return pages

    class Logs:
        @staticmethod
        def get_paginator(operation: str) -> Pages:
            assert operation == "filter_log_events"
            return Pages()

    made = stack()
    made.aws = lambda _: Logs()
    assert inside.model_calls(made, "j") == "a: status 401"


def test_look_that_is_refused_says_which_and_the_others_go_on() -> None:
    class Nothing(Stack):
        def __init__(self) -> None:
            def aws(_: str) -> Any:
                raise refused("AccessDeniedException")

            super().__init__(aws, "simmer")
            self.__dict__ |= {"ids": IDS | {"JobsTable": "t"}, "outputs": {"JobsQueueUrl": "q"}}

    said = inside.look(Nothing())

    assert "could not look at it (table): " in said[0]
    assert "could not look at it (alarms): " in said[-1]
    assert all("AccessDenied" in each for each in said)
