"""The part of complaints that may be logged: place and kind, without a word of the answer.

A complaint's own text may quote the answer, and so may its path: a model can invent a field, and
the keys of a mapping are content. Only names that the result's schema has are told.
"""

from collections.abc import Sequence
from functools import cache
from itertools import zip_longest

from simmer.task import find_task

_ELSE = "*"  # stands for a name that is not in the schema


def kinds(task_name: str, complaints: Sequence[str], types: Sequence[str]) -> list[str]:
    """Such as `recipes.0.servings int_type`, a line each; `types` are those of the validator, as
    far as it was the validator that complained. Each kind once."""
    told = zip_longest(complaints, types[: len(complaints)], fillvalue="")
    return list(dict.fromkeys(_kind(task_name, *each) for each in told))


def _kind(task_name: str, complaint: str, type_: str) -> str:
    path, colon, _ = complaint.partition(":")
    parts = path.split(".") if colon and " " not in path else []
    names = _names(task_name)
    known = [part if part in names or part.isdecimal() else _ELSE for part in parts]
    return " ".join(filter(None, (".".join(known), type_ or ("check" if known else "answer"))))


@cache
def _names(task_name: str) -> frozenset[str]:
    schema = find_task(task_name).result_model.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for each in models for name in each.get("properties", ()))
