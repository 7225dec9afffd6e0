"""The bases of request and result models."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, field_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class _NeverNull:
    """Leaves null out of the JSON schema."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        [alone] = [kind for kind in json_schema.pop("anyOf") if kind != {"type": "null"}]
        return {**json_schema, **alone}


# The type of a field that may be absent. On the wire absent is absent: null is refused.
# (`T | SkipJsonSchema[None]` would do, but for errors that ask for None and name no field.)
_T = TypeVar("_T")
Omittable = Annotated[_T | None, _NeverNull()]


class _WireModel(BaseModel):
    """camelCase, nothing unknown, nothing coerced, nothing null."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        extra="forbid",
        strict=True,
        frozen=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null: leave it out")
        return value


class TaskRequest(_WireModel):
    """The base of every request model.

    `locale` is the language that the answer is to be written in, one of those that the task serves.
    """

    locale: str = ""


class TaskResult(_WireModel):
    """The base of every result model, and of the models in it.

    A field with `json_schema_extra=NOT_ASKED` is accepted, but the model is not told of it.
    """


NOT_ASKED = {"x-not-asked": True}
