"""`make bench-poll`: instructions of starts and calls, on what `sam build` makes.

Callgrind counts them, so the numbers hardly depend on the machine: they are repeatable to a few per
cent. The services are on this machine, in another process. A cold number is the import and the
first call; a number of a call is the slope between few calls and many. The empty interpreter is in
every cold number. Ends with an error above a budget.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.built import built, lambda_python
from bench.instructions.services import serving
from bench.instructions.workload import (
    CASES,
    ENVIRONMENT,
    HOT,
    NEW_HISTOGRAM,
    Case,
    K,
    M,
    settings,
)
from local.toolchain import BUILD

FEW, MANY = 4, 24
HERE = Path(__file__).parent

NEW_HISTOGRAM_RATIO = 1.3


@dataclass(frozen=True)
class Cost:
    """Instructions of the start with its first call, and of each further call."""

    cold: int
    call: int


def count(case: Case, calls: int, build: Path, python: Path) -> int:
    """The instructions of a process that starts and answers so many calls."""
    is_anchor = not case.function.endswith("Function")
    with serving() as services, tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.json"
        events.write_text(json.dumps(case.events(services, calls)))
        code = HERE / "anchors" if is_anchor else build / case.function
        environment = ENVIRONMENT | settings(services)
        environment["PYTHONPATH"] = f"{code}:{build / 'CommonLayer' / 'python'}"
        if is_anchor:
            environment["PYTHONPYCACHEPREFIX"] = str(BUILD / "anchors")
        else:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        module = case.function if is_anchor else "app"
        command = [str(python), str(HERE / "driver.py"), module, str(events)]
        if is_anchor:  # its byte-code, which `sam build` writes for the functions
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        done = subprocess.run(
            valgrind + command, env=environment, capture_output=True, text=True, check=False
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"{case.name}: {done.stdout}{done.stderr}")
    return int(found[1])


def cost(case: Case, build: Path, python: Path) -> Cost:
    few, many = (count(case, calls, build, python) for calls in (FEW, MANY))
    return Cost(cold=count(case, 1, build, python), call=(many - few) // (MANY - FEW))


def over_budget(costs: dict[Case, Cost]) -> list[str]:
    """A sentence for each number that is too high."""
    wrong = []
    for case, at in costs.items():
        for what, budget, got in (
            ("cold", case.cold_budget, at.cold),
            ("a call", case.budget, at.call),
        ):
            if budget is not None and got > budget:
                wrong.append(f"{case.name}, {what}: {got:,}, and may be {budget:,}")
    if HOT in costs and NEW_HISTOGRAM in costs:
        polls = costs[NEW_HISTOGRAM].call / costs[HOT].call
        if polls > NEW_HISTOGRAM_RATIO:
            wrong.append(f"{NEW_HISTOGRAM.name}: {polls:.2f} polls, may be {NEW_HISTOGRAM_RATIO}")
    return wrong


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make bench-poll", description=__doc__)
    arguments.add_argument("--rows", default="", help="those whose names have this in them")
    rows = arguments.parse_args().rows
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not here: Debian and Ubuntu have it as a package of that name")
    build, python = built(), lambda_python()
    table = Table("", "cold, M", "budget", "a call, k", "budget", box=box.SIMPLE_HEAD)
    costs = {}
    for case in (each for each in CASES if rows in each.name):
        costs[case] = at = cost(case, build, python)
        budgets = [
            f"{budget // unit:,}" if budget else ""
            for budget, unit in ((case.cold_budget, M), (case.budget, K))
        ]
        table.add_row(case.name, f"{at.cold // M:,}", budgets[0], f"{at.call // K:,}", budgets[1])
        print(f"{case.name}: {at.cold // M:,} M, {at.call // K:,} k", file=sys.stderr)
    Console().print(table)
    wrong = over_budget(costs)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
