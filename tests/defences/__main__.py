"""`make defences`: each defence of SECURITY.md taken away, and whether its test failed."""

import argparse
import sys
import time

from tests.defences.campaign import copied, without
from tests.defences.removals import REMOVALS


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make defences", description=__doc__)
    arguments.add_argument("--only", default="", help="those whose name or test holds this")
    only = arguments.parse_args().only
    chosen = [each for each in REMOVALS if only in f"{each.name} {each.test}"]
    missed = 0
    with copied() as copy:
        for removal in chosen:
            start = time.monotonic()
            verdict = without(copy, removal)
            seconds = time.monotonic() - start
            said = "failed" if verdict.is_shown else f"NOT SHOWN (pytest: {verdict.code})"
            print(f"{removal.name:<45} {said:<10} {seconds:5.0f} s  {removal.test}", flush=True)
            if not verdict.is_shown:
                missed += 1
                print(verdict.tail, flush=True)
    print(f"{len(chosen)} defences taken away, {missed} not shown")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
