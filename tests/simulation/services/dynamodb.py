"""An in-memory stand-in for the few DynamoDB calls that Simmer makes, fast enough to simulate.

It has the interface of `boto3.client("dynamodb")`: the same arguments, answers and errors. The
differential tests beside it hold it against the emulator and moto. An argument that it does
not know is a TypeError, so that nothing is ever silently ignored.

    dynamodb = DynamoDb({"jobs": {"jobId": "S"}})
    dynamodb.put_item(TableName="jobs", Item={"jobId": {"S": "a"}})
"""

# ruff: noqa: N803 (the arguments have boto3's names)

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tests.simulation.services.aws_errors import Exceptions, client_error
from tests.simulation.services.expressions import (
    Compiled,
    CompiledCondition,
    CompiledUpdate,
    compile_condition,
    compile_projection,
    compile_update,
)
from tests.simulation.services.paths import projected
from tests.simulation.services.values import Invalid, Item, copied, normal

type Key = tuple[Any, ...]
type Answer = dict[str, Any]

_TOKEN_SECONDS = 600  # how long DynamoDB remembers a ClientRequestToken


class _Table:
    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = dict(keys)
        self.items: dict[Key, Item] = {}

    def key_of(self, key: Mapping[str, Any]) -> tuple[Key, Item]:
        """Normalise a `Key` argument, which must be the key and nothing else."""
        normalised = {name: normal(value) for name, value in key.items()}
        if normalised.keys() != self.keys.keys() or any(
            kind not in normalised[name] for name, kind in self.keys.items()
        ):
            raise Invalid("The provided key element does not match the schema")
        return self._checked(normalised), normalised

    def key_in(self, item: Item) -> Key:
        """Find the key in a whole item."""
        for name, kind in self.keys.items():
            if name not in item:
                raise Invalid(
                    f"One or more parameter values were invalid: Missing the key {name} in the item"
                )
            if kind not in item[name]:
                actual = next(iter(item[name]))
                raise Invalid(
                    "One or more parameter values were invalid: Type mismatch for key "
                    f"{name} expected: {kind} actual: {actual}"
                )
        return self._checked(item)

    def check_update(self, update: CompiledUpdate) -> None:
        """Refuse an update that would change the key."""
        for name in self.keys:
            if name in update.roots:
                raise Invalid(
                    "One or more parameter values were invalid: Cannot update attribute "
                    f"{name}. This attribute is part of the key"
                )

    def _checked(self, item: Item) -> Key:
        key = tuple(item[name][kind] for name, kind in self.keys.items())
        for name, part in zip(self.keys, key, strict=True):
            if not part:
                raise Invalid(
                    "One or more parameter values are not valid. The AttributeValue for a key "
                    f"attribute cannot contain an empty string value. Key: {name}"
                )
        return key


@dataclass(slots=True)
class _Write:
    """One conditional write, worked out but not yet stored."""

    table: _Table
    key: Key
    old: Item | None
    new: Item | None = None
    update: CompiledUpdate | None = None
    refusal: dict[str, Any] | None = None  # in the form of a CancellationReason

    def store(self) -> None:
        if self.new is None:
            self.table.items.pop(self.key, None)
        else:
            self.table.items[self.key] = self.new


class DynamoDb:
    """Tables in memory. Each call is atomic; nothing that goes in or out is shared."""

    def __init__(
        self, tables: Mapping[str, Mapping[str, str]], now: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Make `tables` (name -> {key attribute: its type}); `now` ages request tokens only."""
        self.exceptions = Exceptions()
        self._tables = {name: _Table(keys) for name, keys in tables.items()}
        self._now = now
        self._tokens: dict[str, tuple[float, Any]] = {}

    # ------------------------------------------------------------ for tests

    def items(self, table: str) -> list[Item]:
        """Copy all items of a table, in the order in which their keys first came."""
        return [_copied(item) for item in self._tables[table].items.values()]

    # ------------------------------------------------------------ the client's interface

    def get_item(
        self,
        *,
        TableName: str,
        Key: Mapping[str, Any],
        ConsistentRead: bool = False,
        ProjectionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
    ) -> Answer:
        """Every read is consistent here: a stale one would need a history of each item."""
        operation = "GetItem"
        try:
            names = _names(ExpressionAttributeNames, ProjectionExpression)
            projection = (
                compile_projection(ProjectionExpression, names) if ProjectionExpression else None
            )
            _check_placeholders(ExpressionAttributeNames, None, {}, projection)
            table = self._table(operation, TableName)
            item = table.items.get(table.key_of(Key)[0])
        except Invalid as error:
            _refuse(operation, error)
        if item is None:
            return {}
        return {"Item": projected(item, projection.trie) if projection else _copied(item)}

    def put_item(self, **request: Any) -> Answer:
        """Put a whole item."""
        return self._write("PutItem", request, ("NONE", "ALL_OLD"))

    def delete_item(self, **request: Any) -> Answer:
        """Delete an item; one that is not there is no error."""
        return self._write("DeleteItem", request, ("NONE", "ALL_OLD"))

    def update_item(self, **request: Any) -> Answer:
        """Change an item, or make it."""
        return self._write("UpdateItem", request, ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_NEW"))

    def transact_write_items(
        self,
        *,
        TransactItems: list[dict[str, dict[str, Any]]],
        ClientRequestToken: str | None = None,
    ) -> Answer:
        """Do all of up to a hundred writes, or none."""
        operation = "TransactWriteItems"
        if ClientRequestToken and self._is_repeat(ClientRequestToken, TransactItems):
            return {}
        try:
            if not 1 <= len(TransactItems) <= 100:
                raise Invalid("Member must have length less than or equal to 100")
            writes = [
                self._worked_out(operation, action, dict(request))
                for entry in TransactItems
                for action, request in entry.items()
            ]
            if len({(id(write.table), write.key) for write in writes}) < len(writes):
                raise Invalid("Transaction request cannot include multiple operations on one item")
        except Invalid as error:
            _refuse(operation, error)
        if any(write.refusal for write in writes):
            raise transaction_cancelled([write.refusal or {"Code": "None"} for write in writes])
        for write in writes:
            write.store()
        if ClientRequestToken:
            self._tokens[ClientRequestToken] = (self._now(), repr(TransactItems))
        return {}

    # ------------------------------------------------------------ within

    def _table(self, operation: str, name: str) -> _Table:
        try:
            return self._tables[name]
        except KeyError:
            raise client_error(
                operation, "ResourceNotFoundException", "Requested resource not found"
            ) from None

    def _is_repeat(self, token: str, request: Any) -> bool:
        asked_at, first = self._tokens.get(token, (float("-inf"), None))
        if self._now() - asked_at > _TOKEN_SECONDS:
            return False
        if first != repr(request):
            raise client_error(
                "TransactWriteItems",
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request. "
                "Do not reuse a client token with different requests, unless the requests are "
                "identical",
            )
        return True

    def _write(self, operation: str, request: dict[str, Any], returns: tuple[str, ...]) -> Answer:
        wanted = request.pop("ReturnValues", "NONE")
        try:
            if wanted not in returns:
                raise Invalid(f"ReturnValues can only be {' or '.join(sorted(returns))}")
            write = self._worked_out(operation, operation.removesuffix("Item"), request)
        except Invalid as error:
            _refuse(operation, error)
        if write.refusal:
            code, message = write.refusal.pop("Code"), write.refusal.pop("Message")
            if code == "ValidationError":
                _refuse(operation, Invalid(message))
            raise client_error(operation, f"{code}Exception", message, **write.refusal)
        write.store()
        if wanted == "NONE":
            return {}
        item = write.old if wanted == "ALL_OLD" else write.new
        if item and wanted == "UPDATED_NEW":
            item = projected(item, write.update.trie) if write.update else None
        elif item:
            item = _copied(item)
        return {"Attributes": item} if item else {}

    def _worked_out(self, operation: str, action: str, request: dict[str, Any]) -> _Write:
        """Check a request and work out its effect. Raises Invalid."""
        table = self._table(operation, request.pop("TableName"))
        show_old = request.pop("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD"
        condition, update, values = _expressions(action, request)
        new: Item | None = None
        if action == "Put":
            new = {name: normal(value) for name, value in request.pop("Item").items()}
            key = table.key_in(new)
        else:
            key, key_item = table.key_of(request.pop("Key"))
        if request:
            raise TypeError(f"{operation}: the stand-in does not know {sorted(request)}")
        if update:
            table.check_update(update)

        write = _Write(table, key, table.items.get(key), new, update)
        if condition and not condition.holds(write.old or {}, values):
            write.refusal = {
                "Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed",
            }
            if write.old and show_old:
                write.refusal["Item"] = _copied(write.old)
        elif action == "ConditionCheck":
            write.new = write.old
        elif action == "Update":
            base = write.old or key_item
            try:
                write.new = update.apply(base, values) if update else base
            except Invalid as error:
                write.refusal = {"Code": "ValidationError", "Message": str(error)}
        return write


def transaction_cancelled(reasons: list[dict[str, Any]]) -> Exception:
    """Build the error of a transaction that was cancelled for these reasons."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    )
    return client_error(
        "TransactWriteItems",
        "TransactionCanceledException",
        message,
        Message=message,
        CancellationReasons=reasons,
    )


def _copied(item: Item) -> Item:
    return {
        name: value.copy() if "S" in value or "N" in value else copied(value)
        for name, value in item.items()
    }


def _refuse(operation: str, error: Invalid) -> NoReturn:
    raise client_error(operation, "ValidationException", str(error)) from None


def _expressions(
    action: str, request: dict[str, Any]
) -> tuple[CompiledCondition | None, CompiledUpdate | None, Item]:
    """Take the expressions of a write out of its request, compiled, with their values."""
    condition_text = request.pop("ConditionExpression", None)
    update_text = request.pop("UpdateExpression", None) if action == "Update" else None
    given_names = request.pop("ExpressionAttributeNames", None)
    given_values = request.pop("ExpressionAttributeValues", None)
    if action == "ConditionCheck" and condition_text is None:
        raise TypeError("botocore would refuse a ConditionCheck without a condition")
    names = _names(given_names, condition_text, update_text)
    values = {name: normal(value) for name, value in given_values.items()} if given_values else {}
    condition = compile_condition(condition_text, names) if condition_text is not None else None
    update = compile_update(update_text, names) if update_text is not None else None
    _check_placeholders(given_names, given_values, values, condition, update)
    return condition, update, values


def _names(
    given: Mapping[str, str] | None, *expressions: str | None
) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    if all(expression is None for expression in expressions):
        raise Invalid("ExpressionAttributeNames can only be specified when using expressions")
    if not given:
        raise Invalid("ExpressionAttributeNames must not be empty")
    return tuple(given.items())


def _check_placeholders(
    names: Mapping[str, str] | None,
    given_values: Mapping[str, Any] | None,
    values: Item,
    *expressions: Compiled | None,
) -> None:
    """Refuse placeholders that are missing or not used, as AWS does, and ill-typed literals."""
    used_names: frozenset[str] = frozenset()
    used_values: frozenset[str] = frozenset()
    for expression in expressions:
        if expression is None:
            continue
        if missing := expression.values - values.keys():
            raise Invalid(
                f"Invalid {expression.kind}: An expression attribute value used in expression "
                f"is not defined; attribute value: {min(missing)}"
            )
        expression.check(values)
        used_names |= expression.names
        used_values |= expression.values
    if given_values is not None and not given_values:
        raise Invalid("ExpressionAttributeValues must not be empty")
    for word, given, used in (("Names", names, used_names), ("Values", given_values, used_values)):
        if given and len(used) < len(given):
            unused = ", ".join(sorted(given.keys() - used))
            raise Invalid(
                f"Value provided in ExpressionAttribute{word} unused in expressions: "
                f"keys: {{{unused}}}"
            )
