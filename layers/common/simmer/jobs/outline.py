"""What a job keeps of an answer in parts: the outline, and the parts that stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Outline:
    """`name` is the one list of the result, whose items are the parts; `plans` has a plan for each
    of them, with its `title`."""

    name: str
    plans: tuple[Mapping[str, Any], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the outline as it was validated: `{"recipes": [{"title": "…"}, …]}`."""
        [(name, plans)] = json.loads(text).items()
        return cls(name, tuple(plans))

    @property
    def titles(self) -> list[str]:
        return [plan["title"] for plan in self.plans]

    def result_of(self, parts: Mapping[int, str]) -> str:
        """The result that has these parts, as JSON text, in the outline's order. No byte of a part
        is altered."""
        return f'{{"{self.name}":[{",".join(parts[i] for i in sorted(parts))}]}}'
