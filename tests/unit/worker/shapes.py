"""Results of ordinary pydantic, each as a team may write it: what is good, what is not, and what
cannot be had at all.

`good` and `bad` are values of the field `it` as JSON text, in the form that is delivered.
"""

# ruff: noqa: UP045

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict
from uuid import UUID

from pydantic import (
    AliasChoices,
    AnyUrl,
    AwareDatetime,
    Base64Str,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NaiveDatetime,
    PositiveInt,
    RootModel,
    StringConstraints,
    Tag,
    computed_field,
    conint,
    conlist,
    constr,
)

from simmer.task import NOT_ASKED, Omittable, TaskResult


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    S = "s"
    L = "l"


class Rank(IntEnum):
    ONE = 1
    TWO = 2


class Mixed(Enum):
    A = "a"
    TWO = 2


class Odd(Enum):
    PAIR = (1, 2)


class Item(BaseModel):
    """Plain pydantic: its names stay as they are."""

    unit_price: Decimal
    note: str | None = None


class Camel(TaskResult):
    unit_price: int
    hidden_tag: Annotated[str | None, Field(json_schema_extra=NOT_ASKED)] = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    name: str
    kind: Literal["dog"]


class Square(BaseModel):
    name: str
    side: int


class Circle(BaseModel):
    name: str
    radius: int


class Named(BaseModel):
    name: str


class Tree(BaseModel):
    value: int
    children: "list[Tree]" = []


class Chain(TaskResult):
    value: int
    next_one: "Chain | None" = None


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


@dataclass
class Place:
    city: str
    since: date | None = None


class Box[T](BaseModel):
    content: T


class Tags(RootModel[list[str]]):
    pass


class Scores(RootModel[dict[str, int]]):
    pass


class Aliased(BaseModel):
    model_config = ConfigDict(validate_by_name=True)
    from_city: Annotated[str, Field(alias="from")]


class Choosy(BaseModel):
    title: Annotated[str, Field(validation_alias=AliasChoices("title", "name"))]


class Openhearted(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Summed(BaseModel):
    a: int

    @computed_field
    def double(self) -> int:
        return 2 * self.a


class Clashing(BaseModel):
    mapping_entries: list[int]


class Foreign:
    pass


UserId = NewType("UserId", int)
type Pair = tuple[int, int]
type Maybe = int | None


def _kind(value: Any) -> str:
    """Of a document, and of a model that is to be written again."""
    return str(value["kind"] if isinstance(value, dict) else value.kind)


@dataclass(frozen=True)
class Shape:
    type: Any
    good: Sequence[str] = ()
    bad: Sequence[str] = ()
    refused: str = ""  # what the sentence says, if it cannot be had
    default: Any = field(default=...)


CAT, DOG = '{"kind":"cat","lives":9}', '{"name":"Rex","kind":"dog"}'
WHOLE = ["2.0", '"2"', "true", "2e0", "null", "2.5", "9007199254740993"]

SHAPES: dict[str, Shape] = {
    "int": Shape(int, ["2", "-7"], WHOLE),
    "int that is large": Shape(
        Annotated[int, Field(ge=0)], ["9007199254740991"], ["9007199254740992", "1e16", "-1"]
    ),
    "int that is too large": Shape(Annotated[int, Field(ge=2**53)], refused="use a text"),
    "int that is too small": Shape(Annotated[int, Field(lt=1 - 2**53)], refused="use a text"),
    "literal that is too large": Shape(Literal[1, 9007199254740993], refused="use a text"),
    "float": Shape(float, ["2", "2.5", "-0.10"], ['"2"', "true", "1e400", '"NaN"']),
    "bool": Shape(bool, ["true"], ["1", '"true"']),
    "str": Shape(str, ['"two"'], ["2", "true", '["two"]']),
    "date": Shape(
        date,
        ['"2026-01-31"'],
        ["20260131", '"2026-02-30"', '"20260131"', '"1700000000"', '"2026-01-31T00:00:00Z"'],
    ),
    "datetime": Shape(
        datetime,
        ['"2026-01-31T18:30:00Z"', '"2026-01-31T18:30:00.125+09:00"'],
        ["1700000000", '"1700000000"', '"2026-01-31T18:30:00"', '"2026-01-31"'],
    ),
    "aware datetime": Shape(AwareDatetime, ['"2026-01-31T18:30:00Z"'], ['"2026-01-31T18:30:00"']),
    "local datetime": Shape(
        NaiveDatetime, ['"2026-01-31T18:30:00"'], ['"2026-01-31T18:30:00Z"', '"1700000000"']
    ),
    "time": Shape(time, ['"18:30"', '"18:30:05"', '"18:30:00Z"'], ["66600", '"25:00"', '"6 pm"']),
    "timedelta": Shape(
        timedelta, ['"PT5M"', '"P1DT2H"'], ["300", '"00:05:00"', '"5"', '"1 day, 00:05:00"']
    ),
    "decimal": Shape(Decimal, ["1.50", "12", "0.10"], ['"1.50"', "true", '"NaN"', '"abc"']),
    "decimal of cents": Shape(
        Annotated[Decimal, Field(ge=0, max_digits=6, decimal_places=2)],
        ["1.50", "0"],
        ["1.505", "-1", "12345.67"],
    ),
    "uuid": Shape(
        UUID,
        ['"12345678-1234-5678-1234-567812345678"'],
        ['"12345678123456781234567812345678"', '"x"', "1"],
    ),
    "url": Shape(AnyUrl, ['"https://example.com/a"'], ['"example"', "1"]),
    "bytes": Shape(bytes, ['"abc"'], ["1"]),
    "base64": Shape(Base64Str, ['"YWJj"'], ["1"]),
    "enum": Shape(Color, ['"red"'], ['"Red"', '"RED"', "1"]),
    "str enum": Shape(Size, ['"s"'], ['"S"', "1"]),
    "int enum": Shape(Rank, ["1"], ["1.0", '"1"', "true", "3"]),
    "mixed enum": Shape(Mixed, ['"a"', "2"], ['"2"', "3"]),
    "enum of tuples": Shape(Odd, refused="neither texts nor numbers"),
    "literal": Shape(Literal["a", "b"], ['"a"'], ['"c"', "1"]),
    "one literal": Shape(Literal["a"], ['"a"'], ['"b"']),
    "literal numbers": Shape(Literal[1, 2], ["1"], ["1.0", "true", '"1"', "3"]),
    "literal with null": Shape(Literal["a", None], refused="null among its values"),
    "tuple": Shape(tuple[int, str], ['[1,"a"]'], ['["a",1]', "[1]", '[1,"a",2]', "[1.0,0]"]),
    "tuple of anything many": Shape(tuple[int, ...], ["[]", "[1,2,3]"], ['["1"]', "[1.0]"]),
    "empty tuple": Shape(tuple[()], refused="always empty"),
    "type alias": Shape(Pair, ["[1,2]"], ["[1]"]),
    "list": Shape(list[int], ["[]", "[1,1]"], ['["1"]', "1", "[null]", "[1.0]"]),
    "list of lists": Shape(list[list[date]], ['[["2026-01-31"],[]]'], ["[1]", "[[1]]"]),
    "set": Shape(set[int], ["[1,2]", "[]"], ["[1,1]", '["1"]']),
    "frozenset": Shape(frozenset[Color], ['["red","blue"]'], ['["red","red"]']),
    "mapping": Shape(dict[str, float], ['{"a":1.50,"b":2}', "{}"], ['{"a":"1"}', "[]"]),
    "mapping by number": Shape(
        dict[int, str], ['{"1":"a","-2":"b"}'], ['{"01":"a"}', '{"1.0":"a"}', '{" 1":"a"}']
    ),
    "mapping by enum": Shape(dict[Color, int], ['{"red":1}'], ['{"green":1}']),
    "mapping by int enum": Shape(dict[Rank, int], ['{"1":5}'], ['{"3":5}']),
    "mapping by numbers of an enum": Shape(dict[Mixed, int], refused="numbers as keys"),
    "mapping by literal numbers": Shape(dict[Literal[1, 2], int], refused="numbers as keys"),
    "mapping by literal": Shape(dict[Literal["a", "b"], int], ['{"a":5}'], ['{"c":5}']),
    "mapping by date": Shape(dict[date, int], ['{"2026-01-31":5}'], ['{"today":5}']),
    "mapping by uuid": Shape(
        dict[UUID, int], ['{"12345678-1234-5678-1234-567812345678":1}'], ['{"x":5}']
    ),
    "mapping by pattern": Shape(
        dict[Annotated[str, StringConstraints(pattern="^[a-z]+$")], int], ['{"ab":5}'], ['{"1":5}']
    ),
    "mapping of models": Shape(
        Mapping[str, Item], ['{"a":{"unit_price":1.50}}'], ['{"a":{"unit_price":1,"b":2}}']
    ),
    "mapping of mappings": Shape(dict[str, dict[str, int]], ['{"a":{"b":1},"c":{}}'], ['{"a":1}']),
    "mapping by tuple": Shape(dict[tuple[int, int], int], refused="keys that are no texts"),
    "mapping of anything": Shape(dict[str, Any], refused="may hold anything"),
    "bare dict": Shape(dict, refused="use str, int, date"),
    "optional with default": Shape(int | None, ["1"], ["1.0", '"1"'], default=None),
    "Optional": Shape(Optional[str], ['"a"'], ["1"], default=None),
    "Omittable": Shape(Annotated[Omittable[int], Field(ge=1)], ["1"], ["0", "1.0"], default=None),  # type: ignore[misc]
    "optional model": Shape(Item | None, ['{"unit_price":2}'], ["1"], default=None),
    "with a default": Shape(int, ["1"], ["1.0"], default=3),
    "optional without default": Shape(int | None, refused="add `= None`"),
    "alias of an optional": Shape(list[Maybe], refused="leave out `| None`"),
    "list of optionals": Shape(list[int | None], refused="leave out `| None`"),
    "mapping of optionals": Shape(dict[str, int | None], refused="leave out `| None`"),
    "union": Shape(int | str, ["1", '"a"'], ["true", "1.0", "[]"]),
    "union of numbers": Shape(int | float, ["1", "1.5"], ['"1"', "true"]),
    "union of a list and a mapping": Shape(
        list[int] | dict[str, int], ["[1]", '{"a":1}'], ['["a"]', '{"a":"b"}']
    ),
    "union of models": Shape(
        Square | Circle, ['{"name":"a","side":1}', '{"name":"b","radius":2}'], ['{"name":"c"}']
    ),
    "union of a model and a larger one": Shape(Named | Square, ['{"name":"a","side":1}']),
    "discriminated union": Shape(
        Annotated[Cat | Dog, Field(discriminator="kind")],
        [CAT, DOG],
        ['{"kind":"cow"}', '{"kind":"cat","lives":1,"name":"x"}', '{"kind":"dog"}'],
    ),
    "union by a function": Shape(
        Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(_kind)],
        [CAT, DOG],
        ['{"kind":"cat"}'],
    ),
    "list of a discriminated union": Shape(
        list[Annotated[Cat | Dog, Field(discriminator="kind")]], [f"[{CAT},{DOG}]"], ["[1]"]
    ),
    "union of mappings": Shape(dict[str, int] | dict[str, str], refused="begin alike"),
    "nested model": Shape(
        Item,
        ['{"unit_price":1.50}', '{"unit_price":1,"note":"a"}'],
        ['{"unit_price":1,"b":2}', '{"unitPrice":1}', "{}"],
    ),
    "nested result model": Shape(
        Camel, ['{"unitPrice":1}'], ['{"unit_price":1}', '{"unitPrice":1,"unit_price":2}']
    ),
    "recursive model": Shape(
        Tree, ['{"value":1,"children":[{"value":2}]}'], ['{"value":1,"children":[{"value":"2"}]}']
    ),
    "chain": Shape(Chain, ['{"value":1,"nextOne":{"value":2}}'], ['{"value":1,"nextOne":2}']),
    "named tuple": Shape(Point, ["[1,2]", "[1]"], ['{"x":1}', "[]", "[1,2,3]"]),
    "typed dict": Shape(
        Movie, ['{"title":"a"}', '{"title":"a","year":1}'], ['{"title":"a","b":1}']
    ),
    "dataclass": Shape(
        Place, ['{"city":"a","since":"2026-01-31"}'], ['{"city":"a","b":1}', '["a"]']
    ),
    "generic": Shape(Box[date], ['{"content":"2026-01-31"}'], ['{"content":1}']),
    "root model": Shape(Tags, ['["a"]'], ["[1]"]),
    "alias": Shape(Aliased, ['{"from":"a"}'], ['{"from_city":"a"}', '{"from":"a","from_city":""}']),
    "choice of aliases": Shape(Choosy, ['{"title":"a"}'], ['{"name":"a"}']),
    "new type": Shape(UserId, ["1"], ["1.0"]),
    "conint": Shape(conint(gt=3, le=9), ["4", "9"], ["3", "10"]),
    "multiple of": Shape(Annotated[int, Field(multiple_of=5, ge=0)], ["10"], ["11"]),
    "positive": Shape(PositiveInt, ["1"], ["0"]),
    "constr": Shape(constr(min_length=2, max_length=4), ['"abc"'], ['"a"', '"abcde"']),
    "pattern": Shape(
        Annotated[str, Field(pattern=r"^[A-Z]{3}$")], ['"EUR"'], ['"eur"', '"EURO"', '"EUR\\n"']
    ),
    "conlist": Shape(conlist(int, min_length=1, max_length=2), ["[1]"], ["[]", "[1,2,3]"]),
    "any": Shape(Any, refused="may hold anything"),
    "object": Shape(object, refused="may hold anything"),
    "bare list": Shape(list, refused="may hold anything"),
    "none": Shape(None, refused="can only be null"),
    "complex": Shape(complex, refused="is complex"),
    "callable": Shape(Callable[[], int], refused="cannot read from JSON"),
    "iterable": Shape(Iterable[int], refused="use a list"),
    "open model": Shape(Openhearted, refused="extra="),
    "computed field": Shape(Summed, refused="a plain property"),
    "a name of ours": Shape(Clashing, refused="mapping_entries"),
}

ROOTS: dict[str, Shape] = {
    "list": Shape(Tags, ['["a","b"]', "[]"], ["[1]", '"a"', '{"whole_answer":[1]}']),
    "mapping": Shape(Scores, ['{"a":1}', "{}"], ['{"a":"1"}']),
    "union": Shape(RootModel[Square | Circle], ['{"name":"a","side":1}'], ['{"name":"a"}']),
    "recursive": Shape(Tree, ['{"value":1,"children":[{"value":2}]}'], ['{"value":1.0}']),
    "plain": Shape(Item, ['{"unit_price":1.50}'], ['{"unit_price":1,"more":2}']),
}
