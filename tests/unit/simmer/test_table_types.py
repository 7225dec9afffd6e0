"""Values are written and read as boto3's serializer does it."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from simmer.jobs.job import JobStatus
from simmer.table import deserialized, serialized

NUMBERS = st.integers(-(10**37), 10**37)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, max_value=10**30)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, DECIMALS, st.text())
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


@pytest.mark.parametrize("value", [1.5, b"x", object(), {1, 2}])
def test_what_the_table_has_no_type_for_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        serialized(value)
