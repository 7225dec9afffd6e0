"""What AWS meters of a call: capacity units by the size of an item, bytes of a log.

An item's size is as DynamoDB's developer guide says ("DynamoDB item sizes and formats"): names and
texts by their UTF-8 bytes, a number by a byte for two digits and one more, a set, a list or a map
by three bytes and one for each member.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.services.dynamodb import DynamoDb

WRITTEN_UNIT_BYTES, READ_UNIT_BYTES = 1024, 4096
# CloudWatch counts so many bytes more for each event.
LOG_EVENT_BYTES = 26

type Item = Mapping[str, Any]


def item_bytes(item: Item) -> int:
    """The size that the units of an item are counted by."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(content)
        case "N":
            return math.ceil(len(content.lstrip("-").replace(".", "")) / 2) + 1
        case "SS":
            return 3 + sum(1 + len(each.encode()) for each in content)
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in content)
        case "M":
            return 3 + len(content) + item_bytes(content)
        case _:  # BOOL, NULL
            return 1


class MeteredDynamoDb:
    """Counts the units of each call to the in-memory table before it hands the call on."""

    def __init__(self, dynamodb: DynamoDb, tally: Counter[str], item: Callable[[str], Any]) -> None:
        self.exceptions = dynamodb.exceptions
        self._dynamodb = dynamodb
        self._tally = tally
        self._item = item
        self.largest_bytes = 0

    def get_item(self, **request: Any) -> Any:
        size = item_bytes(self._item(request["Key"]["pk"]["S"]) or {})
        units = max(1, math.ceil(size / READ_UNIT_BYTES))
        self._tally["read_units"] += units if request.get("ConsistentRead") else units / 2  # type: ignore[assignment]
        self._tally["reads"] += 1
        return self._dynamodb.get_item(**request)

    def update_item(self, **request: Any) -> Any:
        return self._written([request["Key"]["pk"]["S"]], 1, "update_item", request)

    def transact_write_items(self, **request: Any) -> Any:
        writes = [write for entry in request["TransactItems"] for write in entry.values()]
        keys = [(write.get("Key") or write["Item"])["pk"]["S"] for write in writes]
        return self._written(keys, 2, "transact_write_items", request)

    def _written(self, keys: list[str], times: int, operation: str, request: Any) -> Any:
        """A write costs the larger of the item before and after, in a transaction twice, and as
        much when its condition refuses it."""
        before = [item_bytes(self._item(key) or {}) for key in keys]
        try:
            return getattr(self._dynamodb, operation)(**request)
        finally:
            for key, size in zip(keys, before, strict=True):
                largest = max(size, item_bytes(self._item(key) or {}))
                self.largest_bytes = max(self.largest_bytes, largest)
                units = times * max(1, math.ceil(largest / WRITTEN_UNIT_BYTES))
                self._tally["written_units"] += units
                self._tally[f"written_units of {key.partition('#')[0]}s"] += units
            self._tally["writes"] += 1


class MeteredSqs:
    """Counts the requests that the functions make."""

    def __init__(self, sqs: Any, tally: Counter[str]) -> None:
        self.exceptions = sqs.exceptions
        self.next_visible_at = sqs.next_visible_at  # what a long poll waits for
        self._sqs = sqs
        self._tally = tally

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._sqs, operation)

        def call(**request: Any) -> Any:
            self._tally["sqs_requests"] += 1
            self._tally[f"sqs {operation}"] += 1
            return method(**request)

        return call


class LogMeter(logging.Handler):
    """Counts the bytes of every line that a function logs, as CloudWatch does."""

    def __init__(self, tally: Counter[str], formatter: logging.Formatter | None) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._tally = tally
        self._metrics: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        text = line if isinstance(line, str) else json.dumps(line)
        self._tally["log_bytes"] += len(text.encode()) + LOG_EVENT_BYTES
        self._tally["log_lines"] += 1
        if '"_aws"' in text:
            self._find_metrics(json.loads(text))

    def _find_metrics(self, line: Mapping[str, Any]) -> None:
        """A metric is a name with one combination of its dimensions' values."""
        for about in line["_aws"]["CloudWatchMetrics"]:
            for names in about["Dimensions"]:
                values = [f"{name}={line[name]}" for name in names]
                self._metrics |= {f"{each['Name']} {values}" for each in about["Metrics"]}
        self._tally["metrics"] = len(self._metrics)
