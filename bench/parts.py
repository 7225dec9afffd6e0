"""`make bench-parts`: an answer in one call and in parts, side by side.

Simulated jobs go through the shipped handlers, worker, store and validation under a virtual clock,
without faults of the network; only the model is scripted. It writes its first token after 1 to 3 s
and then 35 tokens a second; a part has 490 tokens and a title 20. A share of its whole answers does
not fit, since one of their items does not: so an answer of one item fits more often. With `--by
call` every call has that chance, however short its answer is: then parts cost more than one call.
A phone polls as it is told to, so that "seen" is what a user waits for. Dollars are those of the
default ladder.

The last table is of a provider with a heavy tail: a few calls take many times as long. There it
shows what it brings to make a call once more that takes longer than nearly all of its kind did.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from rich import box
from rich.table import Table

from bench.parts_jobs import JOBS_A_WORLD, Seen, jobs_in_a_world
from bench.terminal import console

RATES = (0.05, 0.1, 0.2)
COUNTS = (1, 2, 3, 4, 5)
# What three parts keep at a tenth of wrong answers, against the same in one call.
HELD = {"whole, median": 0.55, "whole, 95 %": 0.5, "$ / 1,000": 1.0}
FIRST_TITLE_SECONDS = 6.0

# The heavy tail, and what a second call beside a slow one keeps of three parts, against waiting.
SLOW, COUNTS_OF_SLOW = 0.03, (1, 3, 5)
HELD_OF_SLOW = {"whole, 95 %": 0.75, "whole, 99 %": 0.75, "$ / 1,000": 1.05}

type Row = dict[str, float]
type Cell = tuple[float, str, str]  # the share of wrong answers, the number of parts, the way


def quantile(values: Sequence[float | None], share: float) -> float:
    """Of all jobs; those that have none of it come last."""
    ordered = sorted(float("inf") if value is None else value for value in values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measured(seen: Sequence[Seen]) -> Row:
    """A row's figures."""
    whole = [each.whole_seconds for each in seen]

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return {
        "first title": quantile([each.title_seconds for each in seen], 0.5),
        "first part": quantile([each.part_seconds for each in seen], 0.5),
        "whole, median": quantile(whole, 0.5),
        "whole, 95 %": quantile(whole, 0.95),
        "whole, 99 %": quantile(whole, 0.99),
        "tokens": mean([each.output_tokens for each in seen]),
        "$ / 1,000": 1000 * mean([each.dollars for each in seen]),
        "calls": mean([each.calls for each in seen]),
        "writes": mean([each.writes for each in seen]),
        "polls": mean([each.polls for each in seen]),
    }


def broken_bounds(
    one_call: Row, in_parts: Row, held: Mapping[str, float] = HELD, than: str = "one call's"
) -> list[str]:
    """The bounds that parts do not keep, or what is `held` against another row."""
    broken = [
        f"{name}: {in_parts[name] / one_call[name]:.2f} of {than}, more than {most}"
        for name, most in held.items()
        if in_parts[name] > most * one_call[name]
    ]
    if in_parts["first title"] > FIRST_TITLE_SECONDS:
        broken.append(f"first title: after {in_parts['first title']:.1f} s")
    return broken


def compare(cells: Mapping[Cell, Sequence[Any]], jobs: int) -> dict[Cell, Row]:
    """The figures of each cell, by the arguments of `jobs_in_a_world` behind the seed."""
    worlds = range(-(-jobs // JOBS_A_WORLD))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        running = {
            cell: [pool.submit(jobs_in_a_world, seed, *arguments) for seed in worlds]
            for cell, arguments in cells.items()
        }
        return {
            cell: measured([seen for future in futures for seen in future.result()])
            for cell, futures in running.items()
        }


def table_of(title: str, head: str, rows: Mapping[tuple[str, str], Row]) -> Table:
    """A table with a row for each of `rows`, named by its first two columns."""
    table = Table(box=box.SIMPLE_HEAD, title=title)
    columns = list(next(iter(rows.values())))
    table.add_column(head)
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    digits = {"tokens": 0, "$ / 1,000": 2}
    for names, row in rows.items():
        table.add_row(*names, *(f"{row[name]:.{digits.get(name, 1)}f}" for name in columns))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="for each row")
    parser.add_argument("--by", choices=("item", "call"), default="item", help="what goes wrong")
    given = parser.parse_args()
    terminal = console()
    by_item = given.by == "item"
    ways = {"one": False, "parts": True}
    found = compare(
        {
            (rate, str(count), way): (count, rate, in_parts, by_item)
            for rate in RATES
            for count in COUNTS
            for way, in_parts in ways.items()
        },
        given.jobs,
    )
    for rate in RATES:
        rows = {cell[1:]: row for cell, row in found.items() if cell[0] == rate}
        title = f"{rate:.0%} of the answers are wrong; seconds as a phone saw them"
        terminal.print(table_of(title, "parts", rows))
    slow = compare(
        {
            (0.1, str(count), way): (count, 0.1, True, by_item, SLOW, knows_calls)
            for count in COUNTS_OF_SLOW
            for way, knows_calls in {"waits": False, "asks": True}.items()
        },
        2 * given.jobs,
    )
    title = f"{SLOW:.0%} of the calls are slow: who waits, and who asks once more beside them"
    terminal.print(table_of(title, "parts", {cell[1:]: row for cell, row in slow.items()}))
    broken = broken_bounds(found[0.1, "3", "one"], found[0.1, "3", "parts"])
    broken += broken_bounds(
        slow[0.1, "3", "waits"], slow[0.1, "3", "asks"], HELD_OF_SLOW, "who waits"
    )
    for each in broken:
        terminal.print(each, style="red")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
