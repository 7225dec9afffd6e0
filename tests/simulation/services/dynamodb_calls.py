"""Calls to DynamoDB as data, and a pair of a reference and the stand-in that must answer alike."""

from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.dynamodb_cases import ITEM, NAMES, TABLE, VALUES

type Call = tuple[str, dict[str, Any]]  # operation, request
type Entry = tuple[str, dict[str, Any]]  # action of a transaction, its request


SHOWN: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def placeholders(*expressions: str) -> dict[str, Any]:
    """The names and values that expressions use, those that are defined."""
    words = {word.strip("(),[]") for text in expressions for word in text.replace(".", " ").split()}
    words |= {word.split("(")[-1] for word in words} | {word.split("[")[0] for word in words}
    found = {
        "ExpressionAttributeNames": {w: NAMES[w] for w in sorted(words) if w in NAMES},
        "ExpressionAttributeValues": {w: VALUES[w] for w in sorted(words) if w in VALUES},
    }
    return {argument: given for argument, given in found.items() if given}


def outcome(client: Any, call: Call) -> Any:
    """The outcome of a call in a form to compare: without messages, and with sets in order."""
    operation, request = call
    try:
        answer = getattr(client, operation)(**request)
    except ClientError as error:
        response: dict[str, Any] = error.response  # type: ignore[assignment]
        reasons = [
            (reason["Code"], in_order(reason.get("Item")))
            for reason in response.get("CancellationReasons", [])
        ]
        return response["Error"]["Code"], reasons, in_order(response.get("Item"))
    for extra in ("ResponseMetadata", "ConsumedCapacity"):  # moto adds the second unasked
        answer.pop(extra, None)
    return in_order({name: content for name, content in answer.items() if content})


def in_order(value: Any) -> Any:
    """Sort the sets in an answer."""
    if isinstance(value, list):
        return [in_order(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted(content) if key in ("SS", "NS", "BS") else in_order(content)
        for key, content in value.items()
    }


class Pair:
    """A reference and the stand-in, given the same calls."""

    def __init__(self, name: str, client: Any) -> None:
        self.name = name
        self.client = client
        self.stand_in = DynamoDb({TABLE: {"pk": "S"}})

    def agree(self, *calls: Call) -> None:
        """Demand one outcome of each call."""
        for call in calls:
            theirs, ours = outcome(self.client, call), outcome(self.stand_in, call)
            assert ours == theirs, f"{self.name} differs at {call}"


def put(pk: str, item: dict[str, Any] | None = None, **more: Any) -> Call:
    return "put_item", {
        "TableName": TABLE,
        "Item": {"pk": {"S": pk}, **(ITEM if item is None else item)},
        **more,
    }


def update(pk: str, expression: str, condition: str | None = None, **more: Any) -> Call:
    request = {"TableName": TABLE, "Key": {"pk": {"S": pk}}, "UpdateExpression": expression, **more}
    if condition is not None:
        request["ConditionExpression"] = condition
    return "update_item", {**placeholders(expression, condition or ""), **request}


def delete(pk: str, condition: str | None = None, **more: Any) -> Call:
    request = {"TableName": TABLE, "Key": {"pk": {"S": pk}}, **more}
    if condition is not None:
        request |= {"ConditionExpression": condition, **placeholders(condition)}
    return "delete_item", request


def get(pk: str) -> Call:
    return "get_item", {"TableName": TABLE, "Key": {"pk": {"S": pk}}, "ConsistentRead": True}


def transact(*entries: Entry, **more: Any) -> Call:
    return "transact_write_items", {
        "TransactItems": [{action: request} for action, request in entries],
        **more,
    }


def entry(action: str, call: Call, **more: Any) -> Entry:
    return action, {**call[1], **more}


def check(pk: str, condition: str, **more: Any) -> Entry:
    return entry("ConditionCheck", delete(pk, condition), **more)


def condition_of(condition: str) -> dict[str, Any]:
    return {"ConditionExpression": condition, **placeholders(condition)}
