"""The DynamoDB table: items by their key `pk`, and conditional writes.

In an expression every attribute stands as `#name`, so that no name can be one of DynamoDB's 573
reserved words, and every value as `:name`, which is given as a Python value. An item is returned as
DynamoDB's API writes it: `{"status": {"S": "pending"}, …}`. A long text is stored compressed, as
binary, for what is written is paid by the kilobyte.
"""

import random
import re
import zlib
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from simmer import aws, clock
from simmer.aws import CLIENT_CONFIG, IMPATIENT_CONFIG, AwsError
from simmer.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = Mapping[str, Any]

# DynamoDB refuses one of two writes to an item at the same instant when one of them is a
# transaction. The refusal says nothing about the condition, so the write is sent again.
TRANSACTION_TRIES = 8

# Of shorter texts compression saves little, and conditions compare none that are longer.
LONG_TEXT_CHARACTERS = 300

_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "S": str,
    "N": Decimal,
    "BOOL": bool,
    "NULL": lambda _: None,
}


class Refused(Exception):
    """The condition of a write did not hold. `item` is the stored item, if there is one."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("refused")
        self.item = item


class Table:
    """The table called `name`; no two deployments have the same.

    Every method raises `DependencyUnavailable` when DynamoDB fails. A write may have taken effect
    even then.
    """

    def __init__(self, dynamodb: "DynamoDBClient", name: str) -> None:
        self._dynamodb = dynamodb
        self.name = name

    @classmethod
    def connect(cls, name: str, *, is_patient: bool = True) -> Self:
        """`is_patient=False` is for reads that the caller can do without."""
        config = CLIENT_CONFIG if is_patient else IMPATIENT_CONFIG
        return cls(aws.client("dynamodb", config), name)

    def get(self, pk: str, *, is_consistent: bool = False) -> Item | None:
        """The item; without `is_consistent` it may lag behind the last write by a moment."""
        try:
            answer = self._dynamodb.get_item(
                TableName=self.name, Key=_key(pk), ConsistentRead=is_consistent
            )
        except AwsError as error:
            raise unavailable() from error
        return answer.get("Item")

    def update(self, pk: str, expression: str, condition: str = "", **values: Any) -> Item:
        """Change one item and return it as it is then, or `Refused`."""
        for _ in _tries():
            try:
                answer = self._dynamodb.update_item(
                    **self._update(pk, expression, condition, values), ReturnValues="ALL_NEW"
                )
            except AwsError as error:
                if error.code == "TransactionConflictException":
                    continue
                if error.code == "ConditionalCheckFailedException":
                    raise Refused(error.response.get("Item")) from None
                raise unavailable() from error
            return answer["Attributes"]
        raise unavailable()

    def put_part(self, item: Item, condition: str, **values: Any) -> Item:
        """A put, as a part of `transact`."""
        return {
            "Put": {
                "TableName": self.name,
                "Item": item,
                **_conditional(condition, condition, values),
            }
        }

    def update_part(self, pk: str, expression: str, condition: str, **values: Any) -> Item:
        """An update, as a part of `transact`."""
        return {"Update": self._update(pk, expression, condition, values)}

    def transact(self, *parts: Item) -> list[Item | None]:
        """Write all parts, or none. Returns for each part the stored item when the part's condition
        refused it (empty when there is no item), else `None`; only `None` when all are written."""
        writes: Any = parts
        for _ in _tries():
            try:
                self._dynamodb.transact_write_items(TransactItems=writes)
                return [None] * len(parts)
            except AwsError as error:
                reasons = error.response.get("CancellationReasons", [])
                codes = [reason.get("Code") for reason in reasons]
                if "TransactionConflict" in codes:
                    continue
                if "ConditionalCheckFailed" not in codes:
                    raise unavailable() from error
                return [
                    reason.get("Item", {}) if code == "ConditionalCheckFailed" else None
                    for reason, code in zip(reasons, codes, strict=True)
                ]
        raise unavailable()

    def _update(
        self, pk: str, expression: str, condition: str, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "TableName": self.name,
            "Key": _key(pk),
            "UpdateExpression": expression,
            **_conditional(condition, expression + condition, values),
        }


def serialized(value: Any) -> Any:
    """A Python value as DynamoDB's API writes it."""
    match value:
        case str() if len(value) > LONG_TEXT_CHARACTERS:
            return {"B": zlib.compress(value.encode())}
        case str():
            return {"S": str(value)}  # json would write a StrEnum, too, but not as its own text
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case Mapping():
            return {"M": {name: serialized(each) for name, each in value.items()}}
        case list() | tuple():
            return {"L": [serialized(each) for each in value]}
        case set() | frozenset() if all(isinstance(each, str) for each in value):
            return {"SS": sorted(value)}
    raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


def deserialized(item: Item) -> dict[str, Any]:
    """The attributes of an item as Python values; a number is a `Decimal`."""
    return {name: _deserialized(value) for name, value in item.items()}


def _deserialized(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return deserialized(content)
        case "L":
            return [_deserialized(each) for each in content]
        case "SS":
            return set(content)
        case "B":  # bytes, or in base64 where it came as JSON
            packed = a2b_base64(content) if isinstance(content, str) else content
            return zlib.decompress(packed).decode()
    return _TYPES[kind](content)


def _conditional(condition: str, expressions: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a write with a condition has beside the write itself."""
    arguments: dict[str, Any] = {
        "ExpressionAttributeNames": {
            f"#{name}": name for name in re.findall(r"#(\w+)", expressions)
        },
        "ExpressionAttributeValues": {
            f":{name}": serialized(value) for name, value in values.items()
        },
    }
    if condition:
        arguments["ConditionExpression"] = condition
        arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return arguments


def _key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def _tries() -> Iterator[None]:
    """Try again after a pause that grows, while a write meets the transaction of another one."""
    for tried in range(TRANSACTION_TRIES):
        if tried:
            clock.sleep(random.uniform(0.01, 0.03) * 2 ** min(tried, 4))
        yield


def unavailable() -> DependencyUnavailable:
    return DependencyUnavailable("The table did not answer.", retry_after_seconds=1)
