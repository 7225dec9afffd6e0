"""DynamoDB's values in the one normal form: numbers canonical, sets sorted.

A value is DynamoDB JSON (`{"S": "text"}`). In normal form, equality of values is equality of Python
objects. A value is never changed in place.
"""

from decimal import Context, Decimal, InvalidOperation
from typing import Any

type Value = dict[str, Any]
type Item = dict[str, Value]

TYPES = frozenset({"S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"})
SETS = {"SS": "S", "NS": "N", "BS": "B"}
ORDERED = frozenset({"S", "N", "B"})
EXACT = Context(prec=38)  # the digits that DynamoDB keeps


class Invalid(Exception):
    """The request is one that AWS answers with a ValidationException."""


def normal(value: Value) -> Value:
    """Check a value that a caller gave and return a copy of it in normal form."""
    if len(value) != 1:
        found = "has more than one datatypes set" if value else "is empty"
        raise Invalid(
            f"Supplied AttributeValue {found}, must contain exactly one of the supported datatypes"
        )
    ((kind, content),) = value.items()
    match kind:
        case "S" if isinstance(content, str):
            return {"S": content}
        case "N" if isinstance(content, str):
            return {"N": canonical_number(content)}
        case "M" if isinstance(content, dict):
            return {"M": {name: normal(member) for name, member in content.items()}}
        case "L" if isinstance(content, list | tuple):
            return {"L": [normal(member) for member in content]}
        case "BOOL" if isinstance(content, bool):
            return {"BOOL": content}
        case "NULL" if content is True:
            return {"NULL": True}
        case "B" if isinstance(content, bytes | bytearray):
            return {"B": bytes(content)}
        case "SS" | "NS" | "BS" if isinstance(content, list | tuple | set | frozenset):
            return _normal_set(kind, list(content))
    raise TypeError(f"botocore would refuse the value {value!r}")


def _normal_set(kind: str, content: list[Any]) -> Value:
    if not content:
        word = {"SS": "string", "NS": "number", "BS": "binary"}[kind]
        raise Invalid(f"One or more parameter values were invalid: An {word} set  may not be empty")
    members = [normal({SETS[kind]: member})[SETS[kind]] for member in content]
    if len(set(members)) != len(members):
        raise Invalid(
            "One or more parameter values were invalid: "
            f"Input collection {content} contains duplicates."
        )
    return {kind: in_form(kind, members)}


def in_form(kind: str, members: list[Any]) -> list[Any]:
    return sorted(members, key=Decimal if kind == "NS" else None)


def canonical_number(text: str) -> str:
    """Write a number as DynamoDB answers it: no exponent, no superfluous zeros."""
    if len(text) <= 38 and text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
        return text  # nearly every number that is stored
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise Invalid(f"The parameter cannot be converted to a numeric value: {text}")
    number = number.normalize(Context(prec=200))
    if len(number.as_tuple().digits) > 38:
        raise Invalid("Attempting to store more than 38 significant digits in a Number")
    if number and not -130 <= number.adjusted() <= 125:
        raise Invalid("Number overflow. Attempting to store a number with magnitude out of range")
    return format(number, "f") if number else "0"


def copied(value: Value) -> Value:
    """Copy a stored value for a caller, who may do with it what he likes."""
    ((kind, content),) = value.items()
    if kind == "M":
        content = {name: copied(member) for name, member in content.items()}
    elif kind == "L":
        content = [copied(member) for member in content]
    elif kind in SETS:
        content = list(content)
    return {kind: content}


def kind_of(value: Value) -> str:
    return next(iter(value))


def size_of(value: Value) -> int | None:
    ((kind, content),) = value.items()
    return None if kind in ("N", "BOOL", "NULL") else len(content)
