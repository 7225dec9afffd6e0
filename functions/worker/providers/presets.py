"""What a vendor's endpoint is asked with, by name: `presets.json`, dated.

docs/providers.md says why and from where. A rung's own fields come before a preset's.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from simmer.text import strict_json

PRESETS = Path(__file__).with_name("presets.json")
# Fields that are merged name by name: one name more does not lose the preset's.
_MERGED = ("extraBody", "headers", "query")


class Preset(BaseModel):
    """`rung` holds a rung's fields. `base_url` is the form of an address that only the operator
    knows. `thinking` holds what the body says to switch it `on` and `off`."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    rung: dict[str, Any]
    base_url: str | None = None
    thinking: dict[str, dict[str, Any]] = {}


@cache
def presets() -> Mapping[str, Preset]:
    """All that there are, by name."""
    document = strict_json.loads(PRESETS.read_text())
    return TypeAdapter(dict[str, Preset]).validate_python(document["presets"])


def preset(name: Any) -> Preset:
    """The preset of that name; a `ValueError` names those there are."""
    known = presets()
    if name not in known:
        raise ValueError(f"provider: there is no {str(name)[:40]!r}, but {', '.join(known)}")
    return known[name]


def with_preset(rung: Mapping[str, Any]) -> dict[str, Any]:
    """The rung's fields with those of its provider where it has none; a `ValueError` says what only
    the operator can add."""
    if rung.get("provider") is None:
        return dict(rung)
    its = preset(rung["provider"])
    if its.base_url and not rung.get("baseUrl"):
        raise ValueError(f"baseUrl: {rung['provider']} needs yours, like {its.base_url}")
    merged = {
        name: {**its.rung[name], **rung[name]}
        for name in _MERGED
        if isinstance(its.rung.get(name), dict) and isinstance(rung.get(name), dict)
    }
    return {**its.rung, **rung, **merged}
