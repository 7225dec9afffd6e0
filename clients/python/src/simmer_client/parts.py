"""An answer in parts, as its client sees it: the titles of all, and those that are there.

Titles stand in the outline, in the order of the result; a part is an element of the result's list.
What was seen of one run of a job only grows: a late answer takes nothing away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

PartState: TypeAlias = Literal["waiting", "ready"]


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A part that is to come (`waiting`), or that was validated (`ready`)."""

    title: str
    state: PartState


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its position in the outline, from 0, and the JSON that will be in the result."""

    position: int
    title: str
    value: Any


Outline: TypeAlias = tuple[OutlineEntry, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is known of the parts of one run, which began at `run_at` (seconds, None: unknown)."""

    outline: Outline = ()
    values: Mapping[int, Any] = field(default_factory=dict)  # by position
    list_name: str = ""  # of the result's list
    run_at: float | None = None

    @property
    def partial_result(self) -> dict[str, Any] | None:
        """Of the result's own type; None without a part."""
        values = [self.values[position] for position in sorted(self.values)]
        return {self.list_name: values} if values else None

    @property
    def lacks_some(self) -> bool:
        """Whether a part is ready that was not seen: it was too large for a frame."""
        ready = {at for at, entry in enumerate(self.outline) if entry.state == "ready"}
        return not ready <= self.values.keys()

    def grown_by(self, other: "Parts") -> "Parts":
        """With what another document says. Of an earlier run that is nothing, of a later run all
        there is; of this run's outline the titles never change."""
        mine, others = self.run_at, other.run_at
        if mine is not None and others is not None and mine != others:
            return other if others > mine else self
        run_at = others if mine is None else mine
        titles = [entry.title for entry in self.outline]
        if not self.outline:
            return replace(other, run_at=run_at)
        if titles != [entry.title for entry in other.outline]:
            return replace(self, run_at=run_at)
        outline = tuple(
            one if one.state == "ready" else another
            for one, another in zip(self.outline, other.outline, strict=True)
        )
        name = self.list_name or other.list_name
        values = self.values if other.list_name != name else {**other.values, **self.values}
        return Parts(outline, values, name, run_at)

    def all_of(self, result: Any) -> list[Part]:
        """The parts of a whole result."""
        _, values = _list_of(result, len(self.outline))
        return self._parts(dict(enumerate(values)))

    def seen(self) -> list[Part]:
        """The parts that are known, in their order."""
        return self._parts(self.values)

    def _parts(self, values: Mapping[int, Any]) -> list[Part]:
        return [Part(at, self.outline[at].title, values[at]) for at in sorted(values)]


def read_parts(fields: Mapping[str, Any], run_at: float | None) -> Parts:
    """Of a status document. What is not as promised is as good as absent."""
    outline = _outline(fields.get("outline"))
    ready = [at for at, entry in enumerate(outline) if entry.state == "ready"]
    name, values = _list_of(fields.get("partialResult"), len(ready))
    return Parts(outline, dict(zip(ready, values, strict=True) if name else ()), name, run_at)


def complete(outline: Outline) -> Outline:
    return tuple(replace(entry, state="ready") for entry in outline)


def _outline(value: object) -> Outline:
    entries: list[OutlineEntry] = []
    for each in value if isinstance(value, list) else []:
        match each:
            case {"title": str(title), "state": ("waiting" | "ready") as state} if title:
                entries.append(OutlineEntry(title, state))
            case _:
                return ()
    return tuple(entries)


def _list_of(result: object, count: int) -> tuple[str, list[Any]]:
    """The name and the elements of the one list of that length; empty if there is no such one."""
    members = result.items() if isinstance(result, dict) and count else ()
    lists = [
        (name, value) for name, value in members if isinstance(value, list) and len(value) == count
    ]
    return lists[0] if len(lists) == 1 else ("", [])
