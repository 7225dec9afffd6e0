"""The in-memory DynamoDB alone: copies, tokens, exceptions, the form of numbers."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.dynamodb_calls import SHOWN, entry, outcome, put, transact, update
from tests.simulation.services.dynamodb_cases import TABLE


def test_nothing_is_shared_with_the_caller() -> None:
    dynamodb = DynamoDb({TABLE: {"pk": "S"}})
    item: dict[str, Any] = {"pk": {"S": "a"}, "m": {"M": {"l": {"L": [{"SS": ["x"]}]}}}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    item["m"]["M"]["l"]["L"][0]["SS"].append("put")

    def stored() -> Any:
        return dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "a"}})["Item"]

    value: dict[str, Any] = {"L": [{"M": {"k": {"S": "v"}}}]}
    request: dict[str, Any] = {
        "TableName": TABLE,
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "SET v = :v",
        "ExpressionAttributeValues": {":v": value},
        "ReturnValues": "ALL_NEW",
    }
    answer = dynamodb.update_item(**request)["Attributes"]
    value["L"][0]["M"]["k"]["S"] = "update"
    answer["m"]["M"]["l"]["L"][0]["SS"].append("answer")
    stored()["m"]["M"]["l"]["L"].clear()
    dynamodb.items(TABLE)[0]["v"]["L"].clear()
    with pytest.raises(ClientError) as caught:
        dynamodb.put_item(
            TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)", **SHOWN
        )
    caught.value.response["Item"]["v"]["L"].clear()  # type: ignore[typeddict-item]
    assert stored() == {
        "pk": {"S": "a"},
        "m": {"M": {"l": {"L": [{"SS": ["x"]}]}}},
        "v": {"L": [{"M": {"k": {"S": "v"}}}]},
    }


def test_a_transaction_is_done_once_for_one_token() -> None:
    now = 0.0
    dynamodb = DynamoDb({TABLE: {"pk": "S"}}, now=lambda: now)
    count = transact(entry("Update", update("a", "ADD n :1")), ClientRequestToken="token")
    other = transact(entry("Update", update("a", "ADD n :2")), ClientRequestToken="token")
    assert outcome(dynamodb, count) == outcome(dynamodb, count) == {}
    assert dynamodb.items(TABLE)[0]["n"] == {"N": "1"}
    assert outcome(dynamodb, other)[0] == "IdempotentParameterMismatchException"
    now = 601.0
    assert outcome(dynamodb, other) == {}
    assert dynamodb.items(TABLE)[0]["n"] == {"N": "3"}


def test_its_errors_are_the_clients_exceptions() -> None:
    dynamodb = DynamoDb({TABLE: {"pk": "S"}})
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as caught:
        dynamodb.put_item(**put("a", {}, ConditionExpression="attribute_exists(pk)")[1])
    assert str(caught.value) == (
        "An error occurred (ConditionalCheckFailedException) when calling the PutItem operation: "
        "The conditional request failed"
    )
    with pytest.raises(TypeError, match="Expected"):
        dynamodb.put_item(**put("a", {}, Expected={})[1])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("007", "7"),
        ("1.50", "1.5"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0", "0"),
        ("100", "100"),
    ],
)
def test_numbers_are_stored_in_one_form(given: str, stored: str) -> None:
    dynamodb = DynamoDb({TABLE: {"pk": "S"}})
    outcome(dynamodb, put("a", {"n": {"N": given}}))
    assert dynamodb.items(TABLE)[0]["n"] == {"N": stored}
