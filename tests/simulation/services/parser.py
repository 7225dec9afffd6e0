"""The recursive descent over one condition, update or projection, which gives closures.

Reserved words are not refused here; the unit tests against moto are there for that.
"""

# ruff: noqa: E731 (closures are what this is about)

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, NoReturn

from tests.simulation.services.operators import (
    added,
    appended,
    begins_with,
    calculated,
    contains,
    in_order,
    taken_out,
)
from tests.simulation.services.paths import Operand, Path, operand_at
from tests.simulation.services.values import (
    EXACT,
    ORDERED,
    SETS,
    TYPES,
    Invalid,
    Item,
    Value,
    size_of,
)

type Condition = Callable[[Item, Item], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<symbol><>|<=|>=|[=<>(),.\[\]+-])|(?P<name>[A-Za-z_#][A-Za-z0-9_]*)"
    r"|(?P<value>:[A-Za-z0-9_]+)|(?P<index>[0-9]+)|(?P<end>$)|(?P<bad>.))"
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})


@dataclass(frozen=True, slots=True)
class Action:
    """One `path = value`, or one path of REMOVE (whose value is None), ADD or DELETE."""

    path: Path
    value: Operand


class Parser:
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

    def accept(self, *tokens: str) -> str | None:
        token = self._peek()
        if token not in tokens:
            return None
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        if not self.accept(token):
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
        while token := self.accept(".", "["):
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
            measured = operand_at(self.path())
            self._expect(")")

            def size(item: Item, values: Item) -> Value | None:
                value = measured(item, values)
                length = None if value is None else size_of(value)
                return None if length is None else {"N": str(length)}

            return size
        return operand_at(self.path())

    # conditions

    def condition(self) -> Condition:
        either = [self._conjunction()]
        while self.accept("OR"):
            either.append(self._conjunction())
        if len(either) == 1:
            return either[0]
        return lambda item, values: any(holds(item, values) for holds in either)

    def _conjunction(self) -> Condition:
        every = [self._negation()]
        while self.accept("AND"):
            every.append(self._negation())
        if len(every) == 1:
            return every[0]
        return lambda item, values: all(holds(item, values) for holds in every)

    def _negation(self) -> Condition:
        if self.accept("NOT"):
            holds = self._negation()
            return lambda item, values: not holds(item, values)
        if self.accept("("):
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
        subject = operand_at(self.path())
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
                holds = lambda item, values: begins_with(
                    subject(item, values), prefix(item, values)
                )
            case "contains":
                self._expect(",")
                part = self._operand()
                holds = lambda item, values: contains(subject(item, values), part(item, values))
            case _:
                raise Invalid(f"Invalid {self._kind}: Invalid function name; function: {function}")
        self._expect(")")
        return holds

    def _comparison(self) -> Condition:
        start = self._next
        left = self._operand()
        token = self.accept("=", "<>", *_ORDERS, "BETWEEN", "IN")
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
                low = self._operand(ORDERED, "BETWEEN")
                self._expect("AND")
                high = self._operand(ORDERED, "BETWEEN")

                def between(item: Item, values: Item) -> bool:
                    value = left(item, values)
                    return in_order(ge, value, low(item, values)) and in_order(
                        le, value, high(item, values)
                    )

                return between
            case "IN":
                self._expect("(")
                choices = [self._operand()]
                while self.accept(","):
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
        order, right = _ORDERS[token], self._operand(ORDERED, token)
        return lambda item, values: in_order(order, left(item, values), right(item, values))

    def _recheck(self, start: int, operator: str) -> None:
        """Demand an ordered type of a literal on the left, now that the operator is known."""
        kind, text = self._tokens[start]
        if kind == "value":
            self.checks.append((text, ORDERED, operator))

    # updates

    def update(self) -> Iterator[Action]:
        seen: set[str] = set()
        while section := self.accept("SET", "REMOVE", "ADD", "DELETE"):
            if section in seen:
                raise Invalid(
                    f'Invalid {self._kind}: The "{section}" section can only be used once '
                    "in an update expression;"
                )
            seen.add(section)
            actions = [self._action(section)]
            while self.accept(","):
                actions.append(self._action(section))
            if section == "REMOVE":
                # Highest index first, so that removing one element does not move the next.
                actions.sort(key=lambda action: tuple(map(_step_order, action.path)), reverse=True)
            yield from actions

    def _action(self, section: str) -> Action:
        path = self.path()
        here = operand_at(path)
        match section:
            case "SET":
                self._expect("=")
                return Action(path, self._set_value())
            case "REMOVE":
                return Action(path, lambda item, values: None)
            case "ADD":
                amount = self._value(frozenset({"N", *SETS}), "ADD")
                return Action(
                    path, lambda item, values: added(here(item, values), amount(item, values))
                )
        gone = self._value(frozenset(SETS), "DELETE")
        return Action(path, lambda item, values: taken_out(here(item, values), gone(item, values)))

    def _set_value(self) -> Operand:
        left = self._set_operand()
        sign = self.accept("+", "-")
        if not sign:
            return left
        right = self._set_operand()
        apply = EXACT.add if sign == "+" else EXACT.subtract
        return lambda item, values: calculated(apply, left(item, values), right(item, values))

    def _set_operand(self) -> Operand:
        if self._tokens[self._next][0] == "value":
            return self._value()
        if not self._is_call():
            return _present(operand_at(self.path()))
        function = self._take("name")
        self._expect("(")
        if function == "if_not_exists":
            there = operand_at(self.path())
            self._expect(",")
            default = self._set_value()
            value: Operand = lambda item, values: there(item, values) or default(item, values)
        elif function == "list_append":
            first = self._set_operand()
            self._expect(",")
            second = self._set_operand()
            value = lambda item, values: appended(first(item, values), second(item, values))
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
