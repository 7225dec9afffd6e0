"""Money and keys: what was spent, how long models take, a raised budget, a stop of all spending."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from admin.jobs import today
from admin.target import Target
from admin.terminal import say, table, target_of
from simmer import clock
from simmer.books.ledger import CONTROL, Entry
from simmer.jobs.item import JobRefused
from simmer.jobs.job import Usage
from simmer.tasks import task_names
from simmer.waiting.durations import Durations

keys = typer.Typer(help="The providers' keys.", no_args_is_help=True)
BAR = 40  # characters
# Until then each worker has seen that all spending is stopped, as docs/runbook.md promises.
STOPPED_WITHIN_SECONDS = 10
Days = Annotated[int, typer.Option(min=1, max=400, help="How far back, today included.")]


def _entries(target: Target, days: int) -> Iterator[tuple[str, str, str, Entry]]:
    """(day, task, model, entry) of the ledger, the newest first."""
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()
    for back in range(days):
        day = now - timedelta(days=back)
        for task in task_names():
            for model in target.models:
                entry = target.ledger.read(task, model, day)
                if entry.usage != Usage() or entry.jobs:
                    yield str(day), task, model, entry


def spend(context: typer.Context, days: Days = 7) -> None:
    """What was spent by day, task and model, and a bar for each day."""
    rows, by_day = [], dict[str, float]()
    for day, task, model, entry in _entries(target_of(context), days):
        used, usd = entry.usage, entry.usage.cost_microusd / 1e6
        by_day[day] = by_day.get(day, 0.0) + usd
        rows.append((day, task, model, used.calls, used.input_tokens, used.output_tokens,
                     entry.jobs, f"{usd:.4f}"))  # fmt: skip
    heads = ("day", "task", "model", "calls", "input", "output", "jobs", "usd")
    table(heads, [tuple(map(str, row)) for row in rows])
    most = max(by_day.values(), default=0.0) or 1.0
    for day, usd in by_day.items():
        say(f"{day}  {usd:10.4f} USD  {'█' * round(BAR * usd / most)}")


def durations(context: typer.Context, days: Days = 7) -> None:
    """How long jobs took, from the claim to the result, by the model that answered."""
    took: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for _, _, model, entry in _entries(target_of(context), days):
        for (_, index), count in entry.took_by_parts.items():
            took[model][index] += count
    rows = []
    for model, counts in took.items():
        known = Durations(counts)
        shares = [f"{known.seconds_until(share):.1f}" for share in (0.5, 0.9, 0.99)]
        rows.append((model, str(sum(counts.values())), *shares))
    table(("model", "jobs", "half within s", "90 % within s", "99 % within s"), rows)
    say("Of fewer than a hundred jobs the figures lean on a guess.")


def budget(
    context: typer.Context,
    more: Annotated[float, typer.Option(help="Raise today's by so many dollars.", min=0)] = 0.0,
) -> None:
    """What may be spent today, and what is. --more is for today: DailyBudgetUsd is for always."""
    target = target_of(context)
    if more:
        _say_to_workers(target, "SET #day = :day, #more_microusd = :more", day=today(),
                        more=round(more * 1e6))  # fmt: skip
    limit = float(target.stack.variables("WorkerFunction").get("DAILY_BUDGET_USD", "0"))
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()
    control = target.ledger.control(now)
    spent = sum(each[3].usage.cost_microusd for each in _entries(target, 1)) / 1e6
    raised = f" + {control.more_microusd / 1e6:g} for today" if control.more_microusd else ""
    say(f"spent {spent:.4f} USD of {f'{limit:g}{raised}' if limit else 'no limit'}"
        f"{', and all spending is STOPPED' if control.is_stopped else ''}")  # fmt: skip


def stop(context: typer.Context) -> None:
    """Stop all spending: within ten seconds no model is asked, and calls under way are broken off.
    Jobs wait, until their deadlines."""
    target = target_of(context)
    _say_to_workers(target, "SET #stopped = :yes", yes=True)
    say("stopped: no worker begins another call")
    count = 0
    for job in target.jobs():
        if job.lease is None:
            continue
        try:  # its worker finds the lease lost at its next heartbeat, and hangs up
            released = target.leases.release(
                job, Usage(), first_rung=job.first_rung, awaits_capacity=True
            )
        except JobRefused:
            continue
        # Not before all workers know: one that has room takes it at once, and would ask a model.
        target.queue.send(released, delay_seconds=STOPPED_WITHIN_SECONDS)
        count += 1
    say(f"taken from their workers: {count} jobs; `simmer-admin go` lets them go on")


def go(context: typer.Context) -> None:
    """Let workers spend again."""
    _say_to_workers(target_of(context), "REMOVE #stopped")
    say("workers ask models again, within seconds")


def _say_to_workers(target: Target, expression: str, **values: Any) -> None:
    if not values:  # DynamoDB takes no empty mapping
        expression, values = f"SET #said = :said {expression}", {"said": clock.now_ms()}
    target.table.update(CONTROL, expression, **values)


@keys.command("list")
def list_keys(context: typer.Context) -> None:
    """The names of the keys; the keys themselves are shown by nobody."""
    target = target_of(context)
    for name in sorted(_stored(target)):
        say(name)


@keys.command("set")
def set_key(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The entry.")] = "default"
) -> None:
    """Put a key, read from standard input, in the place of the one of that name. Workers use it
    within a minute: until then the old one must work."""
    target = target_of(context)
    key = sys.stdin.readline().strip()
    if not key:
        raise LookupError("no key came on standard input")
    target.aws("secretsmanager").put_secret_value(
        SecretId=target.output("ModelKeysSecretArn"),
        SecretString=json.dumps({**_stored(target), name: key}),
    )
    say(f"{name} is set; withdraw the old key at the provider's in a minute, not before")


def _stored(target: Target) -> dict[str, str]:
    secret = target.aws("secretsmanager").get_secret_value(
        SecretId=target.output("ModelKeysSecretArn")
    )
    stored: dict[str, str] = json.loads(secret["SecretString"])
    return stored
