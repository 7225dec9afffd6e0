"""DynamoDB's condition, update and projection expressions, each compiled once to closures.

Values are DynamoDB JSON (`{"S": "text"}`) in the one normal form that `normal` gives: numbers
canonical, sets sorted. So equality of values is equality of Python objects. A value is never
changed in place: an update builds new containers along its path.

Reserved words are not refused here; the unit tests against moto are there for that.
"""

# ruff: noqa: E731 (closures are what this is about)

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, NoReturn

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

type Value = dict[str, Any]
type Item = dict[str, Value]
type Path = tuple[str | int, ...]
type Operand = Callable[[Item, Item], Value | None]
type Condition = Callable[[Item, Item], bool]
type Trie = dict[str | int, Trie]  # {} stands for "all below"

TYPES = frozenset({"S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"})
_SETS = {"SS": "S", "NS": "N", "BS": "B"}
_ORDERED = frozenset({"S", "N", "B"})
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
_EXACT = Context(prec=38)  # the digits that DynamoDB keeps


class Invalid(Exception):
    """The request is one that AWS answers with a ValidationException."""


# ---------------------------------------------------------------- values


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
    members = [normal({_SETS[kind]: member})[_SETS[kind]] for member in content]
    if len(set(members)) != len(members):
        raise Invalid(
            "One or more parameter values were invalid: "
            f"Input collection {content} contains duplicates."
        )
    return {kind: _sorted(kind, members)}


def _sorted(kind: str, members: list[Any]) -> list[Any]:
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
    elif kind in _SETS:
        content = list(content)
    return {kind: content}


def from_python(value: Any) -> Value:
    """What boto3's own serializer gives, sooner for what is stored mostly."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
    return dict(_serialize(value))


def to_python(value: Value) -> Any:
    """What boto3's own deserializer gives, sooner for what is stored mostly."""
    ((kind, content),) = value.items()
    if kind in ("S", "BOOL"):
        return content
    return Decimal(content) if kind == "N" else _deserialize(value)  # type: ignore[arg-type]


def _kind(value: Value) -> str:
    return next(iter(value))


def _size(value: Value) -> int | None:
    ((kind, content),) = value.items()
    return None if kind in ("N", "BOOL", "NULL") else len(content)


def _in_order(holds: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """Compare by order: never true of a missing value or of two types."""
    if left is None or right is None:
        return False
    ((kind, first),) = left.items()
    second = right.get(kind)
    if second is None or kind not in _ORDERED:
        return False
    return holds(Decimal(first), Decimal(second)) if kind == "N" else holds(first, second)


def _contains(whole: Value | None, part: Value | None) -> bool:
    if whole is None or part is None:
        return False
    ((kind, content),) = whole.items()
    ((part_kind, wanted),) = part.items()
    if kind == "L":
        return part in content
    return kind in (part_kind, f"{part_kind}S") and kind in ("S", "B", *_SETS) and wanted in content


def _begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    kind = _kind(value)
    return kind in ("S", "B") and kind in prefix and value[kind].startswith(prefix[kind])


# ---------------------------------------------------------------- paths


def _at(path: Path) -> Operand:
    """The operand that a document path is."""
    first, *rest = path
    if not rest:
        return lambda item, values: item.get(first)  # type: ignore[arg-type]

    def find(item: Item, values: Item) -> Value | None:
        value = item.get(first)  # type: ignore[arg-type]
        for step in rest:
            if value is None:
                return None
            if isinstance(step, str):
                value = value["M"].get(step) if "M" in value else None
            else:
                members = value.get("L", ())
                value = members[step] if step < len(members) else None
        return value

    return find


def _replaced(value: Value | None, path: Path, new: Value | None) -> Value | None:
    """Rebuild `value` with `new` (None: nothing) standing at `path`."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, str) and value is not None and "M" in value:
        members = dict(value["M"])
        if (member := _replaced(members.get(step), rest, new)) is None:
            members.pop(step, None)
        else:
            members[step] = member
        return {"M": members}
    if isinstance(step, int) and value is not None and "L" in value:
        elements = list(value["L"])
        if step < len(elements):
            element = _replaced(elements[step], rest, new)
            elements[step : step + 1] = [] if element is None else [element]
        elif rest:
            raise Invalid(
                "The document path provided in the update expression is invalid for update"
            )
        elif new is not None:
            elements.append(new)  # past the end means at the end
        return {"L": elements}
    raise Invalid("The document path provided in the update expression is invalid for update")


def _shown(path: Path) -> str:
    return "[" + ", ".join(f"[{s}]" if isinstance(s, int) else s for s in path) + "]"


def _trie(paths: list[Path], kind: str) -> Trie:
    """Fold paths into a tree; two that overlap are an error in AWS."""
    root: Trie = {}
    seen: list[Path] = []
    for path in paths:
        for other in seen:
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                raise Invalid(
                    f"Invalid {kind}: Two document paths overlap with each other; "
                    "must remove or rewrite one of these paths; "
                    f"path one: {_shown(other)}, path two: {_shown(path)}"
                )
        seen.append(path)
        branch = root
        for step in path:
            branch = branch.setdefault(step, {})
    return root


def projected(item: Item, trie: Trie) -> Item:
    """Keep of an item what the tree of paths names, in fresh containers."""
    return _projected_members(item, trie)


def _projected_members(members: Item, trie: Trie) -> Item:
    found: Item = {}
    for step, below in trie.items():
        if isinstance(step, str) and step in members:
            value = _projected_value(members[step], below)
            if value is not None:
                found[step] = value
    return found


def _projected_value(value: Value, trie: Trie) -> Value | None:
    if not trie:
        return copied(value)
    if "M" in value:
        members = _projected_members(value["M"], trie)
        return {"M": members} if members else None
    indexes = sorted(step for step in trie if isinstance(step, int))
    elements = value.get("L", [])
    kept = [
        _projected_value(elements[index], trie[index]) for index in indexes if index < len(elements)
    ]
    kept = [element for element in kept if element is not None]
    return {"L": kept} if kept else None


# ---------------------------------------------------------------- what compiling gives


@dataclass(frozen=True, slots=True)
class Compiled:
    """What every kind of expression has: the placeholders it uses and what they must be."""

    names: frozenset[str]
    values: frozenset[str]
    kind: str
    # (placeholder, types allowed, operator): refused before anything is evaluated, as in AWS
    checks: tuple[tuple[str, frozenset[str], str], ...]

    def check(self, values: Item) -> None:
        """Refuse a literal of a type that its operator cannot take."""
        for name, allowed, operator in self.checks:
            if (kind := _kind(values[name])) not in allowed:
                raise Invalid(
                    f"Invalid {self.kind}: Incorrect operand type for operator or function; "
                    f"operator or function: {operator}, operand type: {kind}"
                )


@dataclass(frozen=True, slots=True)
class CompiledCondition(Compiled):
    """A ConditionExpression."""

    holds: Condition


@dataclass(frozen=True, slots=True)
class CompiledProjection(Compiled):
    """A ProjectionExpression."""

    trie: Trie


@dataclass(frozen=True, slots=True)
class Action:
    """One `path = value`, or one path of REMOVE (whose value is None), ADD or DELETE."""

    path: Path
    value: Operand


@dataclass(frozen=True, slots=True)
class CompiledUpdate(Compiled):
    """An UpdateExpression."""

    actions: tuple[Action, ...]
    roots: frozenset[str]
    trie: Trie

    def apply(self, old: Item, values: Item) -> Item:
        """Return the new item; every value is worked out on the old one."""
        changes = [(action.path, action.value(old, values)) for action in self.actions]
        new = dict(old)
        for path, value in changes:
            root: str = path[0]  # type: ignore[assignment]
            if len(path) > 1:
                value = _replaced(new.get(root), path[1:], value)
            if value is None:
                new.pop(root, None)
            else:
                new[root] = value
        return new


# ---------------------------------------------------------------- the parser

_TOKEN = re.compile(
    r"\s*(?:(?P<symbol><>|<=|>=|[=<>(),.\[\]+-])|(?P<name>[A-Za-z_#][A-Za-z0-9_]*)"
    r"|(?P<value>:[A-Za-z0-9_]+)|(?P<index>[0-9]+)|(?P<end>$)|(?P<bad>.))"
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})


class _Parser:
    """A recursive descent over one expression; its methods return closures."""

    def __init__(self, text: str, kind: str, names: Mapping[str, str]) -> None:
        self._kind = kind
        self._names = names
        self._tokens = [
            (str(match.lastgroup), match[match.lastgroup or 0]) for match in _TOKEN.finditer(text)
        ]
        self._next = 0
        self._group = (0, 0)  # where the last parenthesis that closed begins and ends
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.checks: list[tuple[str, frozenset[str], str]] = []
        if not text.strip():
            raise Invalid(f"Invalid {kind}: The expression can not be empty;")

    # tokens

    def _peek(self) -> str:
        """The next token, a keyword in capitals."""
        kind, text = self._tokens[self._next]
        return text.upper() if kind == "name" and text.upper() in _KEYWORDS else text

    def _take(self, kind: str) -> str:
        if self._tokens[self._next][0] != kind:
            self._fail()
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _accept(self, *tokens: str) -> str | None:
        token = self._peek()
        if token not in tokens:
            return None
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            self._fail()

    def _fail(self) -> NoReturn:
        near = " ".join(text for _, text in self._tokens[max(0, self._next - 1) : self._next + 2])
        token = self._tokens[self._next][1] or "<EOF>"
        raise Invalid(f'Invalid {self._kind}: Syntax error; token: "{token}", near: "{near}"')

    def end(self) -> None:
        """Refuse anything that is left over."""
        if self._tokens[self._next][0] != "end":
            self._fail()

    def parts(self) -> tuple[frozenset[str], frozenset[str], str, tuple[Any, ...]]:
        """The fields of `Compiled`."""
        return (
            frozenset(self.used_names),
            frozenset(self.used_values),
            self._kind,
            tuple(self.checks),
        )

    # operands

    def path(self) -> Path:
        steps: list[str | int] = [self._path_name()]
        while token := self._accept(".", "["):
            if token == ".":
                steps.append(self._path_name())
            else:
                steps.append(int(self._take("index")))
                self._expect("]")
        return tuple(steps)

    def _path_name(self) -> str:
        if self._peek() in _KEYWORDS:
            self._fail()
        name = self._take("name")
        if not name.startswith("#"):
            return name
        self.used_names.add(name)
        if name not in self._names:
            raise Invalid(
                f"Invalid {self._kind}: An expression attribute name used in the document path "
                f"is not defined; attribute name: {name}"
            )
        return self._names[name]

    def _value(self, allowed: frozenset[str] | None = None, operator: str = "") -> Operand:
        name = self._take("value")
        self.used_values.add(name)
        if allowed:
            self.checks.append((name, allowed, operator))
        return lambda item, values: values[name]

    def _is_call(self) -> bool:
        return self._tokens[self._next][0] == "name" and self._tokens[self._next + 1][1] == "("

    def _operand(self, allowed: frozenset[str] | None = None, operator: str = "") -> Operand:
        if self._tokens[self._next][0] == "value":
            return self._value(allowed, operator)
        if self._is_call():
            if self._take("name") != "size":
                self._next -= 1
                self._fail()
            self._expect("(")
            measured = _at(self.path())
            self._expect(")")

            def size(item: Item, values: Item) -> Value | None:
                value = measured(item, values)
                length = None if value is None else _size(value)
                return None if length is None else {"N": str(length)}

            return size
        return _at(self.path())

    # conditions

    def condition(self) -> Condition:
        either = [self._conjunction()]
        while self._accept("OR"):
            either.append(self._conjunction())
        if len(either) == 1:
            return either[0]
        return lambda item, values: any(holds(item, values) for holds in either)

    def _conjunction(self) -> Condition:
        every = [self._negation()]
        while self._accept("AND"):
            every.append(self._negation())
        if len(every) == 1:
            return every[0]
        return lambda item, values: all(holds(item, values) for holds in every)

    def _negation(self) -> Condition:
        if self._accept("NOT"):
            holds = self._negation()
            return lambda item, values: not holds(item, values)
        if self._accept("("):
            start = self._next
            inner = self.condition()
            if self._group == (start, self._next):
                raise Invalid(f"Invalid {self._kind}: The expression has redundant parentheses;")
            self._expect(")")
            self._group = (start - 1, self._next)
            return inner
        if self._is_call() and self._peek() != "size":
            return self._predicate()
        return self._comparison()

    def _predicate(self) -> Condition:
        function = self._take("name")
        self._expect("(")
        subject = _at(self.path())
        holds: Condition
        match function:
            case "attribute_exists":
                holds = lambda item, values: subject(item, values) is not None
            case "attribute_not_exists":
                holds = lambda item, values: subject(item, values) is None
            case "attribute_type":
                self._expect(",")
                wanted = self._value(frozenset({"S"}), function)

                def holds(item: Item, values: Item) -> bool:
                    kind = (wanted(item, values) or {})["S"]
                    if kind not in TYPES:
                        raise Invalid(
                            f"Invalid {self._kind}: Invalid attribute type name found; type: {kind}"
                        )
                    value = subject(item, values)
                    return value is not None and kind in value
            case "begins_with":
                self._expect(",")
                prefix = self._operand(frozenset({"S", "B"}), function)
                holds = lambda item, values: _begins_with(
                    subject(item, values), prefix(item, values)
                )
            case "contains":
                self._expect(",")
                part = self._operand()
                holds = lambda item, values: _contains(subject(item, values), part(item, values))
            case _:
                raise Invalid(f"Invalid {self._kind}: Invalid function name; function: {function}")
        self._expect(")")
        return holds

    def _comparison(self) -> Condition:
        start = self._next
        left = self._operand()
        token = self._accept("=", "<>", *_ORDERS, "BETWEEN", "IN")
        match token:
            case "=":
                right = self._operand()

                def equal(item: Item, values: Item) -> bool:
                    value = left(item, values)
                    return value is not None and value == right(item, values)

                return equal
            case "<>":
                # True of a missing attribute too: the usual `id <> :id` rests on that.
                right = self._operand()
                return lambda item, values: left(item, values) != right(item, values)
            case "BETWEEN":
                self._recheck(start, "BETWEEN")
                low = self._operand(_ORDERED, "BETWEEN")
                self._expect("AND")
                high = self._operand(_ORDERED, "BETWEEN")

                def between(item: Item, values: Item) -> bool:
                    value = left(item, values)
                    return _in_order(ge, value, low(item, values)) and _in_order(
                        le, value, high(item, values)
                    )

                return between
            case "IN":
                self._expect("(")
                choices = [self._operand()]
                while self._accept(","):
                    choices.append(self._operand())
                self._expect(")")

                def is_in(item: Item, values: Item) -> bool:
                    value = left(item, values)
                    return value is not None and any(
                        value == choice(item, values) for choice in choices
                    )

                return is_in
            case None:
                self._fail()
        self._recheck(start, token)
        order, right = _ORDERS[token], self._operand(_ORDERED, token)
        return lambda item, values: _in_order(order, left(item, values), right(item, values))

    def _recheck(self, start: int, operator: str) -> None:
        """Demand an ordered type of a literal on the left, now that the operator is known."""
        kind, text = self._tokens[start]
        if kind == "value":
            self.checks.append((text, _ORDERED, operator))

    # updates

    def update(self) -> Iterator[Action]:
        seen: set[str] = set()
        while section := self._accept("SET", "REMOVE", "ADD", "DELETE"):
            if section in seen:
                raise Invalid(
                    f'Invalid {self._kind}: The "{section}" section can only be used once '
                    "in an update expression;"
                )
            seen.add(section)
            actions = [self._action(section)]
            while self._accept(","):
                actions.append(self._action(section))
            if section == "REMOVE":
                # Highest index first, so that removing one element does not move the next.
                actions.sort(key=lambda action: tuple(map(_step_order, action.path)), reverse=True)
            yield from actions

    def _action(self, section: str) -> Action:
        path = self.path()
        here = _at(path)
        match section:
            case "SET":
                self._expect("=")
                return Action(path, self._set_value())
            case "REMOVE":
                return Action(path, lambda item, values: None)
            case "ADD":
                amount = self._value(frozenset({"N", *_SETS}), "ADD")
                return Action(
                    path, lambda item, values: _added(here(item, values), amount(item, values))
                )
        gone = self._value(frozenset(_SETS), "DELETE")
        return Action(path, lambda item, values: _taken_out(here(item, values), gone(item, values)))

    def _set_value(self) -> Operand:
        left = self._set_operand()
        sign = self._accept("+", "-")
        if not sign:
            return left
        right = self._set_operand()
        apply = _EXACT.add if sign == "+" else _EXACT.subtract
        return lambda item, values: _calculated(apply, left(item, values), right(item, values))

    def _set_operand(self) -> Operand:
        if self._tokens[self._next][0] == "value":
            return self._value()
        if not self._is_call():
            return _present(_at(self.path()))
        function = self._take("name")
        self._expect("(")
        if function == "if_not_exists":
            there = _at(self.path())
            self._expect(",")
            default = self._set_value()
            value: Operand = lambda item, values: there(item, values) or default(item, values)
        elif function == "list_append":
            first = self._set_operand()
            self._expect(",")
            second = self._set_operand()
            value = lambda item, values: _appended(first(item, values), second(item, values))
        else:
            raise Invalid(f"Invalid {self._kind}: Invalid function name; function: {function}")
        self._expect(")")
        return value


def _step_order(step: str | int) -> tuple[int, str]:
    return (step, "") if isinstance(step, int) else (-1, step)


def _present(operand: Operand) -> Operand:
    def value(item: Item, values: Item) -> Value | None:
        found = operand(item, values)
        if found is None:
            raise Invalid(
                "The provided expression refers to an attribute that does not exist in the item"
            )
        return found

    return value


def _calculated(
    apply: Callable[[Decimal, Decimal], Decimal], left: Value | None, right: Value | None
) -> Value:
    if left is None or right is None or "N" not in left or "N" not in right:
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": canonical_number(str(apply(Decimal(left["N"]), Decimal(right["N"]))))}


def _appended(first: Value | None, second: Value | None) -> Value:
    if first is None or second is None or "L" not in first or "L" not in second:
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"L": [*first["L"], *second["L"]]}


def _added(old: Value | None, amount: Value | None) -> Value | None:
    if old is None or amount is None:
        return amount
    kind = _kind(amount)
    if kind not in old:
        raise Invalid("An operand in the update expression has an incorrect data type")
    if kind == "N":
        return _calculated(_EXACT.add, old, amount)
    return {kind: _sorted(kind, list({*old[kind], *amount[kind]}))}


def _taken_out(old: Value | None, gone: Value | None) -> Value | None:
    if old is None or gone is None:
        return None
    kind = _kind(gone)
    if kind not in old:
        raise Invalid("An operand in the update expression has an incorrect data type")
    left = [member for member in old[kind] if member not in gone[kind]]
    return {kind: left} if left else None  # an empty set cannot be stored


@lru_cache(maxsize=1024)
def compile_condition(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledCondition:
    """Compile a ConditionExpression; `names` are the items of ExpressionAttributeNames."""
    parser = _Parser(text, "ConditionExpression", dict(names))
    holds = parser.condition()
    parser.end()
    return CompiledCondition(*parser.parts(), holds)


@lru_cache(maxsize=1024)
def compile_update(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledUpdate:
    """Compile an UpdateExpression."""
    parser = _Parser(text, "UpdateExpression", dict(names))
    actions = tuple(parser.update())
    parser.end()
    trie = _trie([action.path for action in actions], "UpdateExpression")
    roots = frozenset(str(action.path[0]) for action in actions)
    return CompiledUpdate(*parser.parts(), actions, roots, trie)


@lru_cache(maxsize=1024)
def compile_projection(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledProjection:
    """Compile a ProjectionExpression."""
    parser = _Parser(text, "ProjectionExpression", dict(names))
    paths = [parser.path()]
    while parser._accept(","):
        paths.append(parser.path())
    parser.end()
    return CompiledProjection(*parser.parts(), _trie(paths, "ProjectionExpression"))
