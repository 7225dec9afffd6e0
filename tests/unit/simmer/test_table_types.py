"""Values are written and read as boto3's serializer does it."""

import json
from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from simmer.jobs.job import JobStatus
from simmer.table import LONG_TEXT_CHARACTERS, deserialized, serialized

NUMBERS = st.integers(-(10**37), 10**37)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, max_value=10**30)
SHORT = st.text(max_size=LONG_TEXT_CHARACTERS)  # longer ones are stored compressed
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, DECIMALS, SHORT)
SETS = st.one_of(st.sets(st.text(), min_size=1), st.frozensets(st.text(), min_size=1))
VALUES = st.recursive(
    PLAIN | SETS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def in_order(value: Any) -> Any:
    """With sets in one order, which DynamoDB does not keep."""
    if isinstance(value, dict):
        return {k: sorted(v) if k == "SS" else in_order(v) for k, v in value.items()}
    return [in_order(each) for each in value] if isinstance(value, list) else value


@given(VALUES)
def test_value_is_written_as_boto3_does(value: Any) -> None:
    theirs = TypeSerializer().serialize(value)

    assert in_order(serialized(value)) == in_order(theirs)
    assert deserialized({"a": theirs}) == {"a": TypeDeserializer().deserialize(theirs)}


def test_number_is_read_as_a_decimal() -> None:
    assert type(deserialized({"a": {"N": "12"}})["a"]) is Decimal


def test_word_of_an_enumeration_is_its_text() -> None:
    assert serialized(JobStatus.PENDING) == {"S": "pending"}


@given(st.text(min_size=LONG_TEXT_CHARACTERS + 1, max_size=2000))
def test_long_text_comes_back_as_it_was_from_either_client(text: str) -> None:
    stored = serialized(text)
    as_json = json.loads(json.dumps(stored, default=lambda each: b64encode(each).decode()))

    assert deserialized({"a": stored}) == deserialized({"a": as_json}) == {"a": text}


def test_long_text_is_stored_in_less_and_a_short_one_as_it_is() -> None:
    long = "재료를 씻어 한입 크기로 썬다. " * 40

    assert len(serialized(long)["B"]) < len(long.encode()) / 4
    assert serialized(long[:LONG_TEXT_CHARACTERS]) == {"S": long[:LONG_TEXT_CHARACTERS]}


@pytest.mark.parametrize("value", [1.5, b"x", object(), {1, 2}])
def test_what_the_table_has_no_type_for_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        serialized(value)
