"""DynamoDB's operators and functions on values in normal form."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.simulation.services.values import (
    EXACT,
    ORDERED,
    SETS,
    Invalid,
    Value,
    canonical_number,
    in_form,
    kind_of,
)


def in_order(holds: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """Compare by order: never true of a missing value or of two types."""
    if left is None or right is None:
        return False
    ((kind, first),) = left.items()
    second = right.get(kind)
    if second is None or kind not in ORDERED:
        return False
    return holds(Decimal(first), Decimal(second)) if kind == "N" else holds(first, second)


def contains(whole: Value | None, part: Value | None) -> bool:
    if whole is None or part is None:
        return False
    ((kind, content),) = whole.items()
    ((part_kind, wanted),) = part.items()
    if kind == "L":
        return part in content
    return kind in (part_kind, f"{part_kind}S") and kind in ("S", "B", *SETS) and wanted in content


def begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    kind = kind_of(value)
    return kind in ("S", "B") and kind in prefix and value[kind].startswith(prefix[kind])


def calculated(
    apply: Callable[[Decimal, Decimal], Decimal], left: Value | None, right: Value | None
) -> Value:
    if left is None or right is None or "N" not in left or "N" not in right:
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": canonical_number(str(apply(Decimal(left["N"]), Decimal(right["N"]))))}


def appended(first: Value | None, second: Value | None) -> Value:
    if first is None or second is None or "L" not in first or "L" not in second:
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"L": [*first["L"], *second["L"]]}


def added(old: Value | None, amount: Value | None) -> Value | None:
    if old is None or amount is None:
        return amount
    kind = kind_of(amount)
    if kind not in old:
        raise Invalid("An operand in the update expression has an incorrect data type")
    if kind == "N":
        return calculated(EXACT.add, old, amount)
    return {kind: in_form(kind, list({*old[kind], *amount[kind]}))}


def taken_out(old: Value | None, gone: Value | None) -> Value | None:
    if old is None or gone is None:
        return None
    kind = kind_of(gone)
    if kind not in old:
        raise Invalid("An operand in the update expression has an incorrect data type")
    left = [member for member in old[kind] if member not in gone[kind]]
    return {kind: left} if left else None  # an empty set cannot be stored
