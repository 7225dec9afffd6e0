"""Runs inside what is measured: the worker's handler with one job, then with many."""

import importlib
import json
import resource
import sys
import time


class Context:
    """Lambda's own, as far as the worker looks at it."""

    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 200_000


def main() -> None:
    with open(sys.argv[1]) as file:  # noqa: PTH123
        first, many = json.load(file)
    handler = importlib.import_module("app").handler
    handler(first, Context())
    before = time.process_time()
    failed = handler(many, Context())["batchItemFailures"]
    print(
        json.dumps(
            {
                "failed": len(failed),
                "cpu_seconds": time.process_time() - before,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        ),
        file=sys.stderr,
    )


main()
