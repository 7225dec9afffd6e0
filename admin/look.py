"""The functions' logs and the queues, as they are now."""

import json
from typing import Annotated

import typer

from admin.terminal import at, say, table, target_of
from simmer import clock


def logs(
    context: typer.Context,
    text: str,
    minutes: Annotated[int, typer.Option(min=1, help="How far back.")] = 60,
) -> None:
    """The lines of all functions that hold a text, such as "unexpected error", oldest first."""
    target = target_of(context)
    found: list[tuple[int, str]] = []
    for group in target.logs:
        pages = (
            target.aws("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=group,
                filterPattern=json.dumps(text),
                startTime=clock.now_ms() - minutes * 60_000,
            )
        )
        for page in pages:
            found += [(each["timestamp"], each["message"].strip()) for each in page["events"]]
    for when, message in sorted(found):
        say(f"{at(when)}  {message}")
    say(f"{len(found)} lines in the last {minutes} minutes")


def queues(context: typer.Context) -> None:
    """How many messages wait, are under way, or could not be handled, in each queue."""
    target = target_of(context)
    rows = []
    for name, url in sorted(target.stack.ids.items()):
        if not name.endswith("Queue"):
            continue
        known = target.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        rows.append(
            (
                name,
                known["ApproximateNumberOfMessages"],
                known["ApproximateNumberOfMessagesNotVisible"],
            )
        )
    table(("queue", "waiting", "under way"), rows)
