"""`python -m tests.fuzz --n 1000000`: corrupt that many valid answers, judge the results."""

# ruff: noqa: T201

import argparse
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.fuzz.campaign import Tally, Violation, run

CHUNK = 2000
SHOWN_VIOLATIONS = 10


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--n", type=int, default=100_000, help="how many corruptions")
    arguments.add_argument("--seed", type=int, default=None, help="by default a new one each time")
    arguments.add_argument("--only", type=int, default=None, help="just this one of the seed's")
    given = arguments.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    if given.only is not None:
        tally = run(seed, given.only, given.only + 1)
        _show_violations(tally.violations, whole=True)
        print("let through" if tally.let_through else "refused")
    else:
        print(f"seed {seed}, {given.n} corruptions, {_processes()} processes")
        tally = _campaign(seed, given.n)
        _show_let_through(tally)
        _show_violations(tally.violations)
    print(f"{len(tally.violations)} violations")
    return 1 if tally.violations else 0


def _processes() -> int:
    return os.process_cpu_count() or 1


def _campaign(seed: int, n: int) -> Tally:
    tally = Tally()
    started = time.monotonic()
    with ProcessPoolExecutor(_processes()) as pool:
        chunks = [
            pool.submit(run, seed, first, min(first + CHUNK, n)) for first in range(0, n, CHUNK)
        ]
        for chunk in as_completed(chunks):
            tally += chunk.result()
            _show_progress(tally, n, time.monotonic() - started)
    print(file=sys.stderr)
    return tally


def _show_progress(tally: Tally, n: int, seconds: float) -> None:
    done = tally.tried / n
    bar = "█" * int(done * 30)
    print(
        f"\r{bar:░<30} {done:4.0%}  {tally.tried / seconds:,.0f}/s"
        f"  {sum(tally.let_through.values()):,} let through, {len(tally.violations)} violations ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def _show_let_through(tally: Tally) -> None:
    """Of each corruption that came alone: how often it was harmless enough to be let through."""
    through = sum(tally.let_through.values())
    print(f"{through:,} of {tally.tried:,} let through ({through / tally.tried:.1%})")
    alone = Counter({name: n for name, n in tally.tried_by.items() if " + " not in name})
    for name, tried in sorted(alone.items()):
        let_through = tally.let_through[name]
        print(f"  {name:18} {let_through:9,} of {tried:9,}  {let_through / tried:6.1%}")


def _show_violations(violations: list[Violation], whole: bool = False) -> None:
    for found in violations[:SHOWN_VIOLATIONS]:
        print(f"\n{' + '.join(found.by)}: {'; '.join(found.objections)}")
        print(f"  {found.said!a}" if whole else f"  {found.said[:200]!a}")
        print(f"  again: python -m tests.fuzz --seed {found.seed} --only {found.n}")


if __name__ == "__main__":
    sys.exit(main())
