"""The command: tries every golden request on each rung alone and on the ladder, and compares.

An answer that has parts is asked for in one call, and on the ladder in parts, too.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress

from bench.evaluation import trial
from bench.evaluation.figures import figures, share_valid, table
from bench.terminal import console
from ladder import Ladder, Rung
from local.emulator import sam
from local.model.small.process import SmallModel
from local.model.stand_in import StandIn
from local.toolchain import BUILD, REPOSITORY, TEMPLATE
from prices import require_prices
from simmer.task import find_task
from simmer.task.reading import Misread, read_request
from simmer.tasks import task_names

EVALS, RESULTS = REPOSITORY / "evals", BUILD / "evals"
DEFAULT_BUDGET_USD = 1.0
BELOW_FLOOR, STOPPED = 1, 3


class NotGolden(ValueError):
    """A line is no golden request; the message says which, and why."""


def golden_requests(file: Path) -> list[dict[str, Any]]:
    """One a line: `{"request": …, "expect": {"/pointer": value}}`, or the request alone."""
    task = find_task(file.stem)
    found = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        at = f"{file.name}, line {number}"
        try:
            said = json.loads(line)
            golden = said if isinstance(said, dict) and "request" in said else {"request": said}
            read_request(task.wire_model, golden["request"])
        except json.JSONDecodeError as error:
            raise NotGolden(f"{at}: is no JSON: {error}") from None
        except Misread as misread:
            flaws = "; ".join(": ".join(each) for each in misread.errors)
            raise NotGolden(f"{at}: {flaws}") from None
        found.append(golden)
    if not found:
        raise NotGolden(f"{file.name}: is empty: write one request a line")
    return found


@contextmanager
def _models(kind: str, given: str) -> Iterator[tuple[list[Rung], str, bool]]:
    """The rungs, their key, and whether their calls cost money."""
    key = os.environ.get("OPENAI_API_KEY") or ""
    changes = {
        "baseUrl": os.environ.get("OPENAI_BASE_URL"),
        "model": os.environ.get("OPENAI_MODEL"),
    }
    if kind == "local":
        small = SmallModel(print)
        try:
            yield list(Ladder.parse(json.dumps(small.ladder[:1]))), small.key, False
        finally:
            small.stop()
    elif given or key or changes["baseUrl"]:
        default = sam.read(TEMPLATE)["Parameters"]["ModelLadder"]["Default"]
        own = {name: value for name, value in changes.items() if value and not given}
        rungs = [{**rung, **own} for rung in json.loads(given or default)]
        yield list(Ladder.parse(json.dumps(rungs))), key or "none", True
    else:
        stand_in = StandIn(delay_seconds=0.2)
        try:
            yield list(Ladder.parse(json.dumps(stand_in.ladder))), "none", False
        finally:
            stand_in.stop()


def _columns(task: str, rungs: list[Rung]) -> dict[str, tuple[list[Rung], bool]]:
    """By name: the rungs, and whether the answer is asked for in one call. The last column is what
    a deployment does."""
    columns = {f"{i}. {rung.model}": [rung] for i, rung in enumerate(rungs, 1)}
    if len(rungs) > 1:
        columns["ladder"] = rungs
    found = {name: (each, True) for name, each in columns.items()}
    if find_task(task).parts is not None:
        last = list(columns)[-1]
        found[f"{last}, in parts"] = rungs, False
    return found


class _Kept:
    """The finished trials of this very run, so that it goes on where it was interrupted."""

    def __init__(self, file: Path, run: str) -> None:
        self.file = file
        self.trials: dict[str, dict[str, Any]] = {}
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        if lines and lines[0] == run:
            self.trials = {each["at"]: each["trial"] for each in map(json.loads, lines[1:])}
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{run}\n", "utf-8")

    def add(self, at: str, done: dict[str, Any]) -> None:
        self.trials[at] = done
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": at, "trial": done}) + "\n")


def _run_id(task: str, rungs: list[Rung]) -> str:
    """What makes two runs the same: the task's file, its requests, and the rungs."""
    source = REPOSITORY / "layers" / "common" / "simmer" / "tasks" / f"{task}.py"
    parts = [source.read_bytes(), (EVALS / f"{task}.jsonl").read_bytes()]
    parts += [rung.model_dump_json(exclude={"base_url"}).encode() for rung in rungs]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


async def _try_all(
    task: str,
    golden: list[dict[str, Any]],
    columns: dict[str, tuple[list[Rung], bool]],
    key: str,
    purse: trial.Purse,
    kept: _Kept,
) -> None:
    with Progress(transient=True, console=console()) as progress:
        bar = progress.add_task(task, total=len(golden) * len(columns))
        for name, (rungs, is_whole) in columns.items():
            for i, request in enumerate(golden):
                at = f"{name}/{i}"
                if at not in kept.trials:
                    done = await trial.run(task, request, rungs, key, purse, is_whole=is_whole)
                    kept.add(at, done)
                progress.advance(bar)


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make eval", description=__doc__)
    arguments.add_argument("task", choices=sorted(task_names()))
    arguments.add_argument("--model", default="", choices=("", "local"))
    arguments.add_argument("--ladder", default="", help="a ModelLadder, as template.yaml has it")
    arguments.add_argument("--budget", type=float, default=DEFAULT_BUDGET_USD, metavar="USD")
    arguments.add_argument("--floor", type=float, default=0.0, help="the share that must be valid")
    given = arguments.parse_args()
    logging.disable()  # the climb logs every call
    file = EVALS / f"{given.task}.jsonl"
    if not file.exists():
        arguments.error(f"evals/{given.task}.jsonl is not there: write one request a line")
    try:  # before anything is started or paid
        golden = golden_requests(file)
    except NotGolden as error:
        arguments.error(str(error))
    with _models(given.model, given.ladder) as (rungs, key, costs):
        if costs:
            require_prices([(rung.model, rung.price) for rung in rungs], given.budget)
        kept = _Kept(RESULTS / f"{given.task}.partial.jsonl", _run_id(given.task, rungs))
        spent = sum(each["usd"] for each in kept.trials.values())
        purse = trial.Purse(given.budget if costs else None, spent_usd=spent)
        columns = _columns(given.task, rungs)
        try:
            asyncio.run(_try_all(given.task, golden, columns, key, purse, kept))
        except trial.BudgetReached:
            print(
                f"stopped: the next call could exceed {given.budget:.2f} USD. What is done is kept:"
            )
            print("the same command with a larger BUDGET goes on.")
            return STOPPED
    return _report(given.task, list(columns), kept, given.floor)


def _report(task: str, columns: list[str], kept: _Kept, floor: float) -> int:
    trials = {
        name: [done for at, done in kept.trials.items() if at.rpartition("/")[0] == name]
        for name in columns
    }
    earlier = sorted(RESULTS.glob(f"{task}-*.json"))
    before = json.loads(earlier[-1].read_text("utf-8"))["figures"] if earlier else {}
    console().print(table(trials, before))
    file = RESULTS / f"{task}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    found = {name: figures(each) for name, each in trials.items()}
    file.write_text(json.dumps({"figures": found, "trials": trials}, indent=1), "utf-8")
    kept.file.unlink()
    valid = share_valid(trials[columns[-1]])
    print(f"{task}: {valid:.0%} valid on {columns[-1]}; {file.relative_to(REPOSITORY)}")
    if valid < floor:
        print(f"below the floor of {floor:.0%}")
        return BELOW_FLOOR
    return 0


if __name__ == "__main__":
    sys.exit(main())
