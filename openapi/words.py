"""The words in which everything here is said: names, references, objects, enums."""

from collections.abc import Iterable
from typing import Any

type Json = dict[str, Any]


def object_(description: str, properties: Json, required: Iterable[str]) -> Json:
    return {
        "type": "object",
        "description": description,
        "required": list(required),
        "properties": properties,
    }


def enum(description: str, values: Iterable[str]) -> Json:
    return {"type": "string", "description": description, "enum": list(values)}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))
