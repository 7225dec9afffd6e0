"""`make simulate N=100000`: many schedules over all cores, their faults, and the broken promises.

python -m tests.simulation --n 100000 --seed 0     seeds 0 to 99,999
python -m tests.simulation --replay 4711           one again, with its trace
python -m tests.simulation --bug 3 --n 2000        with that seeded bug, until it is caught
"""

import argparse
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import campaign


def simulate(first: int, count: int, console: Console) -> int:
    """Run them all and print what they came to; the number of violations."""
    coverage: Counter[tuple[str, str]] = Counter()
    endings: Counter[str] = Counter()
    jobs = attempts = schedules = 0
    failures: list[tuple[int, str]] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("schedules", total=count)
        for finished, failed in campaign.run_all(first, count):
            for each in finished:
                coverage.update(each.coverage)
                endings.update(each.endings)
                jobs += each.jobs
                attempts += each.attempts
            failures += failed
            schedules += len(finished) + len(failed)
            progress.update(task, completed=schedules)
    _print_coverage(coverage, console)
    console.print(
        f"{schedules:,} schedules, {jobs:,} admitted jobs, {attempts:,} attempts; clients last saw "
        + ", ".join(f"{ending} {count:,}" for ending, count in endings.most_common()),
        highlight=False,
        soft_wrap=True,
    )
    for seed, why in sorted(failures)[:10]:
        console.print(f"seed {seed}: {why}", style="red", markup=False, soft_wrap=True)
        console.print(f"  again: python -m tests.simulation --replay {seed}", markup=False)
    console.print(f"{len(failures)} violations")
    return len(failures)


def _print_coverage(coverage: Counter[tuple[str, str]], console: Console) -> None:
    """A row a call, a column a fault: how often it was met there."""
    calls = sorted({call for call, _ in coverage})
    faults = sorted({str(fault) for _, fault in coverage}, key=lambda name: (name != "ok", name))
    width = max(map(len, calls), default=0)
    console.print(
        " " * width, *(f"{fault:>14}" for fault in faults), highlight=False, soft_wrap=True
    )
    for call in calls:
        cells = (f"{coverage[call, fault]:>14,}" for fault in faults)
        console.print(f"{call:<{width}}", *cells, highlight=False, soft_wrap=True)


def replay(seed: int, console: Console) -> int:
    """Run one schedule and print all that happened in it."""
    campaign.find_shipped_code()
    from tests.simulation import scenario

    error: Exception | None = None
    with scenario.schedule_of(seed) as schedule:
        world, weather = schedule.world, schedule.weather
        try:
            world.run(schedule.main())
        except Exception as caught:
            error = caught
    options: Any = {"highlight": False, "markup": False, "soft_wrap": True}
    console.print(f"weather: {weather.describe()}", **options)
    for at, process, *event in world.trace:
        what = " ".join(str(word) for word in event if word not in ("ok", "done"))
        console.print(f"{at:9.3f} {process:<9} {what}", **options)
    console.print(f"trace {world.trace_hash()}: {error or 'no violation'}", **options)
    return 1 if error else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--n", type=int, default=2000, help="how many schedules")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one schedule, with its trace")
    parser.add_argument("--bug", type=int, help="the number of a seeded bug")
    options = parser.parse_args()
    console = Console()
    if options.replay is not None:
        return replay(options.replay, console)
    if options.bug is not None:
        caught = campaign.hunt(options.bug, options.seed, options.n)
        console.print(
            f"after {caught.schedules}: {caught.why}" if caught else "not caught", markup=False
        )
        return caught is None
    return min(1, simulate(options.seed, options.n, console))


if __name__ == "__main__":
    sys.exit(main())
