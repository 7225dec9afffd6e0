"""The in-memory DynamoDB answers as the emulator and moto do: item for item, error for error."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.conftest import Connect
from tests.simulation.services.dynamodb import DynamoDb

TABLE = "jobs"

# Where a reference is known to answer unlike AWS: there the stand-in follows AWS's documentation,
# and the test demands that they still differ. " (absent)": on an item that is not there;
# " (returned)": what the update answers.
UNLIKE_AWS: dict[str, set[str]] = {
    "moto": {
        "n < :sim",
        "begins_with(b, :b)",
        "size(absent) = :0",
        "size(s) = :6 (absent)",
        "size(ss) = :2 (absent)",
        "size(l) > :2 (absent)",
        "size(m) >= :1 (absent)",
        "size(b) < :6 (absent)",
        "size(absent) = :0 (absent)",
        "size(m.y.z) < :8 (absent)",
        "nothing = :null (absent)",
        "n = m.x (absent)",
        "SET s.x = :1",
        "SET l = list_append(:l, l) (absent)",
        "SET s = if_not_exists(s, :z) (returned)",
        "SET l[0] = :s (returned)",
        "SET l[1] = l[1] + :1 (returned)",
        "SET l[9] = :s (returned)",
        "SET l[2].k = :1 (returned)",
        "REMOVE m.x (returned)",
        "REMOVE m.y.z (returned)",
        "REMOVE l[0] (returned)",
        "REMOVE l[2].k (returned)",
        "SET s.x = :1 (returned)",
        "no names",
        "values without an expression",
        "a key of another type",
        "a set with doubles",
        "a number with too many digits",
        "an unused value in a transaction",
        "a bad type in a transaction",
        "l[0], l[2].k (projection)",
    },
    "emulator": {
        "begins_with(n, :sim)",
        "n = m.x (absent)",
        "REMOVE l[0], l[2]",
        "SET n = s + :1",
        "SET l = list_append(s, :l)",
        "REMOVE absent.x",
        "ADD absent.x :1",
        "REMOVE m.x (absent)",
        "REMOVE m.y.z (absent)",
        "REMOVE m.absent (absent)",
        "REMOVE l[0] (absent)",
        "REMOVE l[0], l[2] (absent)",
        "REMOVE l[9] (absent)",
        "REMOVE l[2].k (absent)",
        "ADD m.x :2 (absent)",
        "REMOVE absent.x (absent)",
        "ADD absent.x :1 (absent)",
        "SET l[0] = :s (returned)",
        "SET l[1] = l[1] + :1 (returned)",
        "SET l[9] = :s (returned)",
        "SET l[2].k = :1 (returned)",
        "SET m.nums[0] = :l (returned)",
        "REMOVE l[0] (returned)",
        "REMOVE l[0], l[2] (returned)",
        "REMOVE l[9] (returned)",
        "REMOVE l[2].k (returned)",
        "SET n = s + :1 (returned)",
        "SET l = list_append(s, :l) (returned)",
        "REMOVE absent.x (returned)",
        "ADD absent.x :1 (returned)",
        "frobnicate(s)",
        "n < :true",
        "n < :ss",
        "n BETWEEN :true AND :8",
        "attribute_type(s, :z)",
        "attribute_type(s, :7)",
        "s = 'simmer'",
        "SET s = :z, s = :s",
        "SET m.x = :1, m = :m",
        "SET m.x = :1 REMOVE m",
        "SET s = :z SET n = :1",
        "SET s = :z,",
        "SET s :z",
        "REMOVE",
        "a bad expression in a transaction",
        "a bad type in a transaction",
        "a key in a transaction's update",
    },
}

ITEM: dict[str, Any] = {
    "s": {"S": "simmer"},
    "n": {"N": "7"},
    "big": {"N": "12345678901234567890.5"},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"x", b"y"]},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "deep"}}}, "nums": {"L": [{"N": "5"}]}}},
    "l": {"L": [{"S": "first"}, {"N": "2"}, {"M": {"k": {"S": "v"}}}]},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "b": {"B": b"bytes"},
    "size": {"N": "3"},
}
VALUES: dict[str, Any] = {
    ":s": {"S": "simmer"},
    ":sim": {"S": "sim"},
    ":a": {"S": "a"},
    ":z": {"S": "zzz"},
    ":0": {"N": "0"},
    ":1": {"N": "1"},
    ":2": {"N": "2"},
    ":6": {"N": "6"},
    ":7": {"N": "7"},
    ":8": {"N": "8"},
    ":neg": {"N": "-3"},
    ":dec": {"N": "0.25"},
    ":ss": {"SS": ["b", "a"]},
    ":ss2": {"SS": ["b", "c"]},
    ":ns": {"NS": ["2", "3"]},
    ":bs": {"BS": [b"y", b"z"]},
    ":m": {"M": {"x": {"N": "1"}}},
    ":l": {"L": [{"S": "more"}, {"N": "9"}]},
    ":empty": {"L": []},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":b": {"B": b"by"},
    ":tS": {"S": "S"},
    ":tN": {"S": "N"},
    ":tSS": {"S": "SS"},
    ":tM": {"S": "M"},
    ":tL": {"S": "L"},
    ":tBOOL": {"S": "BOOL"},
    ":tNULL": {"S": "NULL"},
    ":tB": {"S": "B"},
}
NAMES = {"#s": "s", "#n": "n", "#size": "size", "#x": "x", "#none": "absent", "#m": "m"}

CONDITIONS = [
    "s = :s",
    "#s = :s AND #n = :7",
    "s <> :s",
    "absent = :s",
    "absent <> :s",
    "NOT absent = :s",
    "n < :8",
    "n <= :7",
    "n > :7",
    "n >= :7",
    "n < :sim",
    "s > :a",
    "b >= :b",
    "big > :8",
    "n BETWEEN :6 AND :8",
    "n BETWEEN :0 AND :1",
    "s BETWEEN :a AND :z",
    "n IN (:1, :2, :7)",
    "n IN (:1)",
    "absent IN (:1, :2)",
    "m IN (:m, :l)",
    "attribute_exists(s)",
    "attribute_exists(absent)",
    "attribute_exists(m.y.z)",
    "attribute_exists(m.y.absent)",
    "attribute_exists(l[2].k)",
    "attribute_exists(l[7])",
    "attribute_not_exists(pk)",
    "attribute_not_exists(#none)",
    "begins_with(s, :sim)",
    "begins_with(s, :z)",
    "begins_with(b, :b)",
    "begins_with(n, :sim)",
    "begins_with(absent, :sim)",
    "contains(s, :sim)",
    "contains(ss, :a)",
    "contains(ss, :z)",
    "contains(ns, :1)",
    "contains(l, :2)",
    "contains(l, :s)",
    "contains(absent, :s)",
    "contains(n, :7)",
    "size(s) = :6",
    "size(ss) = :2",
    "size(l) > :2",
    "size(m) >= :1",
    "size(b) < :6",
    "size(absent) = :0",
    "size(m.y.z) < :8",
    "attribute_type(s, :tS)",
    "attribute_type(s, :tN)",
    "attribute_type(n, :tN)",
    "attribute_type(ss, :tSS)",
    "attribute_type(m, :tM)",
    "attribute_type(l, :tL)",
    "attribute_type(yes, :tBOOL)",
    "attribute_type(nothing, :tNULL)",
    "attribute_type(b, :tB)",
    "attribute_type(absent, :tS)",
    "ss = :ss",
    "ss = :ss2",
    "m = :m",
    "m.x = :1",
    "#m.#x = :1",
    "m.y.z <> :s",
    "l[1] = :2",
    "l[0] = :s",
    "yes = :true",
    "nothing = :null",
    "n = m.x",
    "#size < n",
    "n > m.nums[0]",
    "(s = :s)",
    "(s = :z OR n = :7) AND (yes = :true OR absent = :s)",
    "s = :z OR n = :7 AND yes = :true",
    "s = :s OR n = :1 AND n = :2",
    "NOT s = :z AND n = :7",
    "NOT (s = :s AND n = :7)",
    "NOT (NOT s = :s)",
    "not s = :z and n between :6 and :8 or n in (:1)",
]

UPDATES = [
    "SET s = :z",
    "SET #s = :z, #n = :1",
    "SET fresh = :m",
    "SET n = n + :1",
    "SET n = n - :8",
    "SET n = :8 - n",
    "SET n = n + :dec",
    "SET big = big + :dec",
    "SET n = m.x + m.nums[0]",
    "SET n = if_not_exists(n, :0) + :1",
    "SET absent = if_not_exists(absent, :0) + :1",
    "SET s = if_not_exists(absent, :z)",
    "SET s = if_not_exists(s, :z)",
    "SET absent = s, s = :z",
    "SET absent = m.y",
    "SET l = list_append(l, :l)",
    "SET l = list_append(:l, l)",
    "SET absent = list_append(if_not_exists(absent, :empty), :l)",
    "SET m.x = :2",
    "SET m.x = m.x + :2",
    "SET m.fresh = :l",
    "SET m.y.z = :s, m.y.w = :1",
    "SET #m.#x = :2",
    "SET l[0] = :s",
    "SET l[1] = l[1] + :1",
    "SET l[9] = :s",
    "SET l[2].k = :1",
    "SET m.nums[0] = :l",
    "REMOVE s",
    "REMOVE absent",
    "REMOVE s, n, #size",
    "REMOVE m.x",
    "REMOVE m.y.z",
    "REMOVE m.absent",
    "REMOVE l[0]",
    "REMOVE l[0], l[2]",
    "REMOVE l[9]",
    "REMOVE l[2].k",
    "ADD n :1",
    "ADD n :neg",
    "ADD n :dec, absent :7",
    "ADD ss :ss2",
    "ADD ns :ns",
    "ADD bs :bs",
    "ADD absent :ss",
    "ADD m.x :2",
    "DELETE ss :ss2",
    "DELETE ss :ss",
    "DELETE ns :ns",
    "DELETE bs :bs",
    "DELETE absent :ss",
    "SET s = :z REMOVE n ADD #size :1 DELETE ss :ss2",
    "set s = :z remove n add #size :1 delete ss :ss2",
    # Refused for what the item has
    "SET n = absent + :1",
    "SET n = s + :1",
    "SET n = absent",
    "SET l = list_append(absent, :l)",
    "SET l = list_append(s, :l)",
    "SET absent.x = :1",
    "SET s.x = :1",
    "SET absent[0] = :1",
    "SET m.absent.x = :1",
    "REMOVE absent.x",
    "ADD s :1",
    "ADD n :ss",
    "ADD ss :ns",
    "DELETE n :ss",
    "DELETE ss :ns",
    "ADD absent.x :1",
]

BAD_UPDATES = [
    "ADD n :s",
    "DELETE ss :1",
    "SET pk = :s",
    "REMOVE pk",
    "ADD pk :1",
    "SET s = :z, s = :s",
    "SET m.x = :1, m = :m",
    "SET m.x = :1 REMOVE m",
    "SET s = :z SET n = :1",
    "SET s = :z,",
    "SET s :z",
    "SET s = :undefined",
    "SET #undefined = :z",
    "SET s = frobnicate(:z)",
    "REMOVE",
    "",
    "FROB s",
]

BAD_CONDITIONS = [
    "",
    "((s = :s))",
    "NOT ((s = :s) AND (n = :7)) OR ((n = :7 OR s = :s))",
    "s",
    "s =",
    "s = :s AND",
    "(s = :s",
    "s = :s)",
    "s == :s",
    "s = :undefined",
    "#undefined = :s",
    "frobnicate(s)",
    "begins_with(s, :7)",
    "n < :true",
    "n < :ss",
    "n BETWEEN :true AND :8",
    "attribute_type(s, :z)",
    "attribute_type(s, :7)",
    "s BETWEEN :a",
    "s IN :a",
    "s = 'simmer'",
]

type Call = tuple[str, dict[str, Any]]  # operation, request
type Entry = tuple[str, dict[str, Any]]  # action of a transaction, its request


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
    """What a call gave, in a form that can be compared: messages and the order of sets are not."""
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


@pytest.fixture(scope="module")
def pair(reference: tuple[str, Connect]) -> Iterator[Pair]:
    name, connect = reference
    client = connect("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield Pair(name, client)
    client.delete_table(TableName=TABLE)


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


@pytest.fixture
def known_differences(request: pytest.FixtureRequest, pair: Pair) -> None:
    """Turn a case around whose reference is known to be wrong."""
    case = request.node.callspec.params["case"]
    if case in UNLIKE_AWS[pair.name]:
        request.applymarker(pytest.mark.xfail(reason=f"{pair.name} is unlike AWS", strict=True))


def cases(expressions: list[str], suffix: str = "") -> pytest.MarkDecorator:
    """Run a test for each expression, under a name that UNLIKE_AWS can have."""
    return pytest.mark.parametrize("case", [expression + suffix for expression in expressions])


# ---------------------------------------------------------------- every shape


@pytest.mark.usefixtures("known_differences")
@cases(CONDITIONS)
def test_condition(pair: Pair, case: str) -> None:
    pair.agree(
        put("c"),
        update("c", "SET done = s", case, ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        get("c"),
        delete("c", case, ReturnValues="ALL_OLD"),
        get("c"),
    )


@pytest.mark.usefixtures("known_differences")
@cases(CONDITIONS, " (absent)")
def test_condition_on_an_item_that_is_not_there(pair: Pair, case: str) -> None:
    condition = case.removesuffix(" (absent)")
    pair.agree(delete("c"), put("c", {}, **condition_of(condition)), get("c"))


@pytest.mark.usefixtures("known_differences")
@cases(UPDATES)
def test_update(pair: Pair, case: str) -> None:
    pair.agree(put("u"), update("u", case, ReturnValues="ALL_NEW"), get("u"))
    pair.agree(put("u"), update("u", case), get("u"))


@pytest.mark.usefixtures("known_differences")
@cases(UPDATES, " (absent)")
def test_update_of_an_item_that_is_not_there(pair: Pair, case: str) -> None:
    pair.agree(delete("u"), update("u", case.removesuffix(" (absent)")), get("u"))


@pytest.mark.usefixtures("known_differences")
@cases(UPDATES, " (returned)")
def test_what_an_update_returns(pair: Pair, case: str) -> None:
    for returns in ("ALL_OLD", "UPDATED_NEW"):
        attempt = update("u", case.removesuffix(" (returned)"), ReturnValues=returns)
        pair.agree(put("u"), attempt)


@pytest.mark.usefixtures("known_differences")
@cases(BAD_CONDITIONS)
def test_malformed_condition(pair: Pair, case: str) -> None:
    refused = [update("c", "SET done = s", case), put("c", {}, **condition_of(case))]
    assert {outcome(pair.stand_in, call)[0] for call in refused} == {"ValidationException"}
    if pair.name != "moto":  # moto answers many of them with a KeyError of its own
        pair.agree(put("c"), *refused, get("c"))


@pytest.mark.usefixtures("known_differences")
@cases(BAD_UPDATES)
def test_malformed_update(pair: Pair, case: str) -> None:
    refused = update("u", case)
    assert outcome(pair.stand_in, refused)[0] == "ValidationException"
    if pair.name != "moto":
        pair.agree(put("u"), refused, get("u"), delete("u"), refused, get("u"))


# ---------------------------------------------------------------- requests


def transact(*entries: Entry, **more: Any) -> Call:
    return "transact_write_items", {
        "TransactItems": [{action: request} for action, request in entries],
        **more,
    }


def entry(action: str, call: Call, **more: Any) -> Entry:
    return action, {**call[1], **more}


def check(pk: str, condition: str, **more: Any) -> Entry:
    return entry("ConditionCheck", delete(pk, condition), **more)


SHOWN: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
KEY = {"pk": {"S": "r"}}
TABLE_KEY = {"TableName": TABLE, "Key": KEY}
REFUSED: dict[str, Call] = {
    "unused value": update(
        "r", "SET s = :z", ExpressionAttributeValues={":z": {"S": "z"}, ":q": {"S": "q"}}
    ),
    "unused name": update("r", "SET n = :1", ExpressionAttributeNames={"#q": "q"}),
    "no names": update("r", "SET n = :1", ExpressionAttributeNames={}),
    "no values": update("r", "REMOVE n", ExpressionAttributeValues={}),
    "names without an expression": put("r", {}, ExpressionAttributeNames={"#q": "q"}),
    "values without an expression": put("r", {}, ExpressionAttributeValues={":q": {"S": "q"}}),
    "another key": ("get_item", {"TableName": TABLE, "Key": {"id": {"S": "r"}}}),
    "too much of a key": ("get_item", {"TableName": TABLE, "Key": {**KEY, "id": {"S": "r"}}}),
    "a key of another type": ("get_item", {"TableName": TABLE, "Key": {"pk": {"N": "1"}}}),
    "a put without a key": ("put_item", {"TableName": TABLE, "Item": {"s": {"S": "s"}}}),
    "a put with a key of another type": (
        "put_item",
        {"TableName": TABLE, "Item": {"pk": {"N": "1"}}},
    ),
    "an empty key": put(""),
    "an empty set": put("r", {"ss": {"SS": []}}),
    "a set with doubles": put("r", {"ss": {"SS": ["a", "a"]}}),
    "a number that is none": put("r", {"n": {"N": "seven"}}),
    "an empty number": put("r", {"n": {"N": ""}}),
    "a number with too many digits": put("r", {"n": {"N": "1" * 39}}),
    "no such table": ("get_item", {"TableName": "other", "Key": KEY}),
    "no such table to write": ("put_item", {"TableName": "other", "Item": KEY}),
    "a put that wants the new": put("r", ReturnValues="ALL_NEW"),
    "a delete that wants the new": delete("r", ReturnValues="UPDATED_NEW"),
    "two writes of one item": transact(entry("Put", put("r")), entry("Delete", delete("r"))),
    "a check and a write of one item": transact(check("r", "s = :s"), entry("Put", put("r"))),
    "a hundred and one writes": transact(*(entry("Put", put(f"r{n}", {})) for n in range(101))),
    "an unused value in a transaction": transact(
        entry("Delete", delete("r"), ExpressionAttributeValues={":q": {"S": "q"}})
    ),
    "a bad expression in a transaction": transact(
        entry("Put", put("r1")), entry("Update", update("r", "SET s"))
    ),
    "a bad type in a transaction": transact(
        entry("Put", put("r1")), entry("Update", update("r", "SET s = s + :1"))
    ),
    "a key in a transaction's update": transact(entry("Update", update("r", "SET pk = :s"))),
}


@pytest.mark.usefixtures("known_differences")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(pair: Pair, case: str) -> None:
    pair.agree(put("r"), REFUSED[case], get("r"), get("r1"), delete("r1"))
    assert isinstance(outcome(pair.stand_in, REFUSED[case]), tuple)


def test_transactions(pair: Pair) -> None:
    pair.agree(delete("b"), delete("c"))
    holds, fails = "attribute_exists(s)", "attribute_not_exists(s)"
    for first in (holds, fails):
        for second in (holds, fails):
            for third in (holds, fails):
                pair.agree(
                    put("a"),
                    put("d"),
                    transact(
                        check("a", first, **SHOWN),
                        entry("Put", put("b", {}, **condition_of(second)), **SHOWN),
                        entry("Update", update("c", "ADD n :1", fails)),
                        entry("Delete", delete("d", third)),
                    ),
                    *(get(pk) for pk in "abcd"),
                )


# Left out of random sequences: one would get a second parenthesis, the others give an attribute
# another type in the course of them, where neither reference is as exact as AWS.
NOT_AT_RANDOM = {"(s = :s)", "ADD s :1", "ADD n :ss", "ADD ss :ns"}

# For transactions at random: moto tells otherwise of an update that the item does not allow.
ALWAYS_POSSIBLE = [
    "SET s = :z, fresh = :m",
    "SET n = if_not_exists(n, :0) + :1 REMOVE s",
    "SET fresh = if_not_exists(s, :z) ADD n :neg DELETE ss :ss2",
    "ADD ss :ss2, ns :ns",
]


def condition_of(condition: str) -> dict[str, Any]:
    return {"ConditionExpression": condition, **placeholders(condition)}


@pytest.mark.usefixtures("known_differences")
@cases(["s", "s, n", "m.x", "m.y, l[2]", "l[0], l[2].k", "absent", "#s, m.absent"], " (projection)")
def test_projection(pair: Pair, case: str) -> None:
    projection = case.removesuffix(" (projection)")
    request = {**get("p")[1], "ProjectionExpression": projection, **placeholders(projection)}
    pair.agree(put("p"), ("get_item", request))


@pytest.mark.parametrize("seed", range(10))
def test_random_sequences(pair: Pair, seed: int) -> None:
    random = Random(seed)
    strange = UNLIKE_AWS[pair.name] | NOT_AT_RANDOM
    conditions = [c for c in CONDITIONS if not {c, f"{c} (absent)"} & strange]
    updates = [u for u in UPDATES if not {u, f"{u} (absent)"} & strange and "absent" not in u]

    def condition() -> str:
        one, two = random.choice(conditions), random.choice(conditions)
        shapes = ("{0}", "{0}", "({0}) AND {1}", "({0}) OR ({1})", "NOT ({0} AND {1})")
        return random.choice(shapes).format(one, two)

    def write(pk: str, updates: list[str]) -> tuple[str, Call]:
        match random.randrange(4):
            case 0:
                some = random.sample(sorted(ITEM), random.randrange(len(ITEM)))
                more = condition_of(condition()) if random.random() < 0.7 else {}
                return "Put", put(pk, {name: ITEM[name] for name in some}, **more)
            case 1:
                return "Delete", delete(pk, condition())
        guard = condition() if random.random() < 0.6 else None
        return "Update", update(pk, random.choice(updates), guard)

    keys = ("x", "y", "z")
    pair.agree(*(delete(pk) for pk in keys))
    for _ in range(25):
        shown = SHOWN if random.random() < 0.7 else {}
        if random.random() < 0.7:
            action, (operation, request) = write(random.choice(keys), updates + ALWAYS_POSSIBLE)
            returns = ("ALL_OLD", "ALL_NEW") if action == "Update" else ("ALL_OLD",)
            returned = {"ReturnValues": random.choice(("NONE", *returns))}
            pair.agree((operation, {**request, **shown, **returned}))
        else:
            chosen = random.sample(keys, random.randint(1, 3))
            drawn = [write(pk, ALWAYS_POSSIBLE) for pk in chosen[1:]]
            writes = [entry(action, call, **shown) for action, call in drawn]
            pair.agree(transact(check(chosen[0], condition(), **shown), *writes))
    pair.agree(*(get(pk) for pk in keys))


# ---------------------------------------------------------------- the stand-in alone


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
