"""Runs inside what is measured, with nothing but Lambda's own around it: calls a handler."""

import importlib
import json
import sys


class Context:
    """Lambda's own, as far as handlers look at it."""

    aws_request_id = "request"
    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"

    def get_remaining_time_in_millis(self) -> int:
        return 200_000


def main() -> None:
    module, events = sys.argv[1:]
    with open(events) as file:  # noqa: PTH123 (pathlib would be counted)
        calls = json.load(file)
    handler = importlib.import_module(module).handler
    for event, expected in calls:
        answer = handler(event, Context())
        got = answer.get("statusCode", answer.get("batchItemFailures"))
        if got != expected:
            sys.exit(f"{expected} was expected: {answer}")


main()
