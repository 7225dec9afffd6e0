"""The bases of request and result models."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from simmer.task.schema import NOT_ASKED_MARK

_T = TypeVar("_T")
# The type of a field that may be absent: `T | None`. On the wire null is absence, and nothing that
# is delivered holds a null.
Omittable = Annotated[_T | None, "null is absence"]


class _WireModel(BaseModel):
    """camelCase, nothing unknown, nothing coerced."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
    )


class TaskRequest(_WireModel):
    """The base of every request model, and of the models in it.

    `locale` is the language that the answer is to be written in, one of those that the task serves.
    The request as a whole has it on the wire; the models in it do not.
    """

    locale: Annotated[str, Field(exclude_if=lambda tag: not tag)] = ""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        if cls.model_fields["locale"].annotation is str:
            handler.resolve_ref_schema(schema)["properties"].pop("locale", None)
        return schema


class TaskResult(_WireModel):
    """The base of every result model, and of the models in it.

    A field with `json_schema_extra=NOT_ASKED` is accepted, but the model is not told of it.
    """


NOT_ASKED = {NOT_ASKED_MARK: True}
