"""Results made up from a model's types and bounds alone, by polyfactory; texts are words."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from polyfactory.exceptions import FactoryException
from polyfactory.factories.pydantic_factory import ModelFactory
from polyfactory.field_meta import FieldMeta
from pydantic import BaseModel, ValidationError

type Json = dict[str, Any]

RESULTS = 3
_LOCK = threading.Lock()
_TRIES = 12
_WORDS = (
    *("small", "green", "morning", "quiet", "river", "stone", "open", "early", "silver", "long"),
    *("garden", "window", "paper", "warm", "second", "harbour", "light", "plain", "corner", "wide"),
)


def made_up(model: type[BaseModel], chance: random.Random) -> Iterator[Json]:
    """A few results of that model, as JSON; fewer, or none, where its own validators refuse what
    types and bounds allow."""
    found = 0
    for _ in range(_TRIES):
        try:
            with _LOCK:
                _Words.__random__ = chance
                _Words.__faker__.seed_instance(chance.getrandbits(32))  # it has a chance of its own
                result = _Words.create_factory(model).build()
        except (ValidationError, FactoryException, ValueError, TypeError):
            continue
        yield json.loads(result.model_dump_json(by_alias=True, exclude_none=True))
        found += 1
        if found == RESULTS:
            return


class _Words(ModelFactory[Any]):
    """Writes words where polyfactory would write letters; models within a model are made by it,
    too, so all of them share one source of chance, and `_LOCK`."""

    __is_base_factory__ = True
    __randomize_collection_length__ = True
    __min_collection_length__ = 1
    __max_collection_length__ = 3

    @classmethod
    def get_provider_map(cls) -> dict[Any, Callable[[], Any]]:
        """A point in time has its offset on the wire."""
        known = super().get_provider_map()
        return {**known, datetime: lambda: cls.__faker__.date_time(tzinfo=UTC)}

    @classmethod
    def get_field_value(cls, field_meta: FieldMeta, *args: Any, **options: Any) -> Any:
        if field_meta.annotation is str and not (field_meta.constraints or {}).get("pattern"):
            return _text(field_meta, cls.__random__)
        return super().get_field_value(field_meta, *args, **options)

    @classmethod
    def get_constrained_field_value(
        cls, annotation: Any, field_meta: FieldMeta, *args: Any, **options: Any
    ) -> Any:
        if annotation is str and not (field_meta.constraints or {}).get("pattern"):
            return _text(field_meta, cls.__random__)
        return super().get_constrained_field_value(annotation, field_meta, *args, **options)


def _text(field_meta: FieldMeta, chance: random.Random) -> str:
    """Some words, within the bounds."""
    bounds = field_meta.constraints or {}
    text = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(2, 5))).capitalize()
    while len(text) < int(bounds.get("min_length") or 0):
        text += f" {chance.choice(_WORDS)}"
    return text[: int(bounds.get("max_length") or 200)].strip() or "words"
