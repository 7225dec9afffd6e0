"""Document paths (`m.x`, `l[2]`): read a value, replace it, project an item on several of them."""

from collections.abc import Callable

from tests.simulation.services.values import Invalid, Item, Value, copied

type Path = tuple[str | int, ...]
type Operand = Callable[[Item, Item], Value | None]
type Trie = dict[str | int, Trie]  # {} stands for "all below"


def operand_at(path: Path) -> Operand:
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


def replaced(value: Value | None, path: Path, new: Value | None) -> Value | None:
    """Rebuild `value` with `new` (None: nothing) standing at `path`."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, str) and value is not None and "M" in value:
        members = dict(value["M"])
        if (member := replaced(members.get(step), rest, new)) is None:
            members.pop(step, None)
        else:
            members[step] = member
        return {"M": members}
    if isinstance(step, int) and value is not None and "L" in value:
        elements = list(value["L"])
        if step < len(elements):
            element = replaced(elements[step], rest, new)
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


def trie_of(paths: list[Path], kind: str) -> Trie:
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
