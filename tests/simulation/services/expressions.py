"""DynamoDB's condition, update and projection expressions, each compiled once to closures.

An update never changes an item in place:

    compiled = compile_update("SET n = n + :1")
    new = compiled.apply(old, {":1": {"N": "1"}})
"""

from dataclasses import dataclass
from functools import lru_cache

from tests.simulation.services.parser import Action, Condition, Parser
from tests.simulation.services.paths import Trie, replaced, trie_of
from tests.simulation.services.values import Invalid, Item, kind_of


@dataclass(frozen=True, slots=True)
class Compiled:
    """The common part of all expressions: the placeholders in use, and their types."""

    names: frozenset[str]
    values: frozenset[str]
    kind: str
    # (placeholder, types allowed, operator): refused before anything is evaluated, as in AWS
    checks: tuple[tuple[str, frozenset[str], str], ...]

    def check(self, values: Item) -> None:
        """Refuse a literal of a type that its operator cannot take."""
        for name, allowed, operator in self.checks:
            if (kind := kind_of(values[name])) not in allowed:
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
                value = replaced(new.get(root), path[1:], value)
            if value is None:
                new.pop(root, None)
            else:
                new[root] = value
        return new


@lru_cache(maxsize=1024)
def compile_condition(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledCondition:
    """Compile a ConditionExpression; `names` are the items of ExpressionAttributeNames."""
    parser = Parser(text, "ConditionExpression", dict(names))
    holds = parser.condition()
    parser.end()
    return CompiledCondition(*parser.parts(), holds)


@lru_cache(maxsize=1024)
def compile_update(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledUpdate:
    """Compile an UpdateExpression."""
    parser = Parser(text, "UpdateExpression", dict(names))
    actions = tuple(parser.update())
    parser.end()
    trie = trie_of([action.path for action in actions], "UpdateExpression")
    roots = frozenset(str(action.path[0]) for action in actions)
    return CompiledUpdate(*parser.parts(), actions, roots, trie)


@lru_cache(maxsize=1024)
def compile_projection(text: str, names: tuple[tuple[str, str], ...] = ()) -> CompiledProjection:
    """Compile a ProjectionExpression."""
    parser = Parser(text, "ProjectionExpression", dict(names))
    paths = [parser.path()]
    while parser.accept(","):
        paths.append(parser.path())
    parser.end()
    return CompiledProjection(*parser.parts(), trie_of(paths, "ProjectionExpression"))
