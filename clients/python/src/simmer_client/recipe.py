"""The task `recipe`, for those who want more than JSON."""

from dataclasses import dataclass
from typing import Any

from simmer_client.errors import ProtocolError
from simmer_client.parts import Part
from simmer_client.update import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    ingredients: list[str]  # those that were given
    instructions: str
    cooking_time_minutes: int
    difficulty: str  # easy, medium, hard
    servings: int
    description: str = ""
    additional_ingredients: list[str]  # what else is needed


def recipes(update: Update) -> list[Recipe]:
    """The recipes of a completed job, or those that are there of another; ProtocolError if the
    answer holds none."""
    result = update.partial_result if update.result is None else update.result
    try:
        return [_recipe(each) for each in result["recipes"]]
    except (KeyError, TypeError):
        raise ProtocolError("The result holds no recipes.", update) from None


def recipe_of(part: Part) -> Recipe | None:
    """A part of the answer as a recipe; None if it is none."""
    try:
        return _recipe(part.value)
    except (KeyError, TypeError):
        return None


def _recipe(fields: Any) -> Recipe:
    return Recipe(
        name=_as(str, fields["name"]),
        description=_as(str, fields.get("description", "")),
        ingredients=_texts(fields["ingredients"]),
        additional_ingredients=_texts(fields.get("additionalIngredients", [])),
        instructions=_as(str, fields["instructions"]),
        cooking_time_minutes=_as(int, fields["cookingTime"]),
        difficulty=_as(str, fields["difficulty"]),
        servings=_as(int, fields["servings"]),
    )


def _texts(value: Any) -> list[str]:
    return [_as(str, each) for each in _as(list, value)]


def _as(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value
