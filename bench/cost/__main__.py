"""`make bench-cost`: dollars per 1,000 jobs at the template's defaults, and what was weighed."""

import sys

from rich import box
from rich.table import Table

from bench import slots
from bench.cost import bill
from bench.cost.cases import RATES, Case, enough, run_all
from bench.cost.deployed import Deployed, shipped
from bench.cost.recording import INPUT_TOKENS, MEAN_SECONDS, OUTPUT_TOKENS, Recording
from bench.terminal import console
from intake import RECEIVES_FOR_SECONDS
from simmer.jobs.queue import MAX_MESSAGES

WEIGHED_RATES = (10, 100, 1000)
# Workers, jobs of one, and for how many seconds it receives more.
WEIGHED = (
    *((workers, MAX_MESSAGES, slots.NOT_AT_ALL) for workers in (5, 10, 20, 50, 100)),
    *((workers, slots.ROOM, RECEIVES_FOR_SECONDS) for workers in (2, 3, 5, 10, 50)),
    *((workers, MAX_MESSAGES, RECEIVES_FOR_SECONDS) for workers in (5, 10, 100)),
)
# The goal, in dollars per 1,000 jobs at 100 a minute.
GOALS = {"polls": 0.05, "push": 0.04}


def main() -> int:
    defaults = shipped()
    cases = [Case(name, rate, enough(defaults, rate), name) for rate in RATES for name in GOALS]
    recorded = run_all(cases)
    by_case = {(case.name, case.jobs_a_minute): recording for case, recording in recorded}
    out = console()
    for name in GOALS:
        of_name = {key: each for key, each in by_case.items() if key[0] == name}
        out.print(_lines(name, of_name, defaults))
    out.print(_units(by_case))
    out.print(_weighed(defaults))
    is_cheap = True
    for name, goal in GOALS.items():
        usd = sum(bill.per_1000_jobs(by_case[name, 100], defaults).values())
        is_cheap &= usd <= goal
        out.print(f"100 a minute with {name}: ${usd:.3f}; the goal is ${goal:.2f}.")
    article = bill.article_per_1000_jobs(MEAN_SECONDS, defaults)
    model, usd = bill.model_per_1000_jobs(INPUT_TOKENS, OUTPUT_TOKENS)
    rest = bill.at_rest_usd()
    out.print(f"The article's design on the same services: ${article:.3f} per 1,000 jobs.")
    out.print(f"The model for scale ({model}, one call a job, no thinking): ${usd:.3f}.")
    parts = ", ".join(f"{name} {usd:.2f}" for name, usd in rest.items())
    out.print(f"A month at rest: ${sum(rest.values()):.2f} ({parts}).")
    return 0 if is_cheap else 1


def _lines(follow: str, recorded: dict[tuple[str, int], Recording], deployed: Deployed) -> Table:
    table = Table(
        title=f"USD per 1,000 jobs of 30 to 60 s with {follow}, at the defaults ("
        f"{deployed.worker_jobs} jobs a worker of {deployed.worker_mb} MB; at least "
        f"{deployed.workers} workers, and a twentieth of the jobs a minute), by jobs a minute",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("")
    bills = {key: bill.per_1000_jobs(each, deployed) for key, each in recorded.items()}
    for _, rate in recorded:
        table.add_column(f"{rate:,}", justify="right")
    for line in next(iter(bills.values())):
        table.add_row(line, *(f"{each[line]:.4f}" for each in bills.values()))
    table.add_row("all", *(f"{sum(each.values()):.4f}" for each in bills.values()), style="bold")
    waits = (f"{each.wait(0.5):.0f} / {each.wait(0.9):.0f}" for each in recorded.values())
    table.add_row("wait for a worker, s: median / p90", *waits)
    table.add_row("jobs an invocation", *(f"{each.jobs_a_batch:.1f}" for each in recorded.values()))
    return table


def _units(recorded: dict[tuple[str, int], Recording]) -> Table:
    table = Table(title="Calls and units a job", box=box.SIMPLE_HEAD)
    table.add_column("")
    shown = [key for key in recorded if key[1] in (10, 100)]
    for name, rate in shown:
        table.add_column(f"{name} {rate:,}", justify="right")
    for row in (
        *("written_units", "written_units of jobs", "written_units of quotas"),
        *("written_units of ledgers", "read_units", "reads", "writes", "sqs_requests"),
        *("http_requests", "websocket_messages", "status invocations", "push invocations"),
        *("worker invocations", "log_lines", "log_bytes"),
    ):
        table.add_row(row.replace("_", " "), *(f"{recorded[key].a_job(row):.2f}" for key in shown))
    return table


def _weighed(defaults: Deployed) -> Table:
    """What the parameters of the worker cost, and what they make jobs wait (`bench.slots`)."""
    table = Table(
        title="Weighed: USD per 1,000 jobs for the worker's GB-seconds; wait median / p90 in "
        "seconds, by jobs a minute",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("workers, jobs of one, receives for")
    for rate in WEIGHED_RATES:
        table.add_column(f"{rate:,}", justify="right")
    for workers, room, seconds in WEIGHED:
        cells = []
        for rate in WEIGHED_RATES:
            found = slots.simulate(
                rate * 24 * 60, workers, room=room, receives_seconds=seconds, jobs=6000
            )
            usd = 1000 * found.gb_seconds * bill.gb_second_usd(defaults)
            usd *= defaults.worker_mb / 1024 / slots.MEMORY_GB
            waits = [found.share(quantile) for quantile in (0.5, 0.9)]
            cells.append(
                "diverges"
                if waits[1] > slots.DIVERGES_SECONDS
                else f"{usd:.3f}; {waits[0]:.0f} / {waits[1]:.0f}"
            )
        table.add_row(f"{workers}, {room}, {slots.said(seconds)}", *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
