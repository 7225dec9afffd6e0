"""The models to ask, cheapest first: the template's `ModelLadder`, read and checked.

A JSON list with an object a rung; only `model` is required:

    [{"model": "gpt-6-luna"},
     {"model": "claude-opus-5-5", "baseUrl": "https://api.anthropic.com/v1", "key": "anthropic"}]
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from prices import Price
from simmer.text import strict_json


class Rung(BaseModel):
    """One model at one OpenAI-compatible endpoint.

    `key` names an entry of the keys secret. `structured` is how the endpoint is told the shape:
    `json_schema` (it enforces the schema), `json_object` (it enforces JSON), `prompt` (it is only
    asked). `bounds` says whether its schema mode takes `maxLength` and the like: small models loop
    for ever without, and some vendors refuse them. `max_output_tokens` is doubled once when an
    answer was cut short. `prompt_cache` says whether the endpoint takes `prompt_cache_key`; unless
    said, only OpenAI's own does, for others may refuse a field they do not know. `price` is the
    model's own, where `prices.json` does not know it or knows another.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.openai.com/v1"
    key: str = "default"
    structured: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    bounds: bool = False
    max_output_tokens: Annotated[int, Field(ge=100)] = 4000
    timeout_seconds: Annotated[float, Field(gt=0, le=180)] = 90
    prompt_cache: bool | None = None
    price: Price | None = None

    @property
    def takes_prompt_cache_key(self) -> bool:
        if self.prompt_cache is not None:
            return self.prompt_cache
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")


_RUNGS: TypeAdapter[list[Rung]] = TypeAdapter(
    Annotated[list[Rung], Field(min_length=1, max_length=5)]
)


class Ladder(Sequence[Rung]):
    """The rungs in the order they are asked."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        self._rungs = tuple(rungs)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the parameter; a `ValueError` says what is wrong, and in which rung and field."""
        # Not `validate_json`: it takes `base_url` for `baseUrl`'s name and overlooks it (2.13).
        return cls(_RUNGS.validate_python(strict_json.loads(text)))

    def __len__(self) -> int:
        return len(self._rungs)

    def __iter__(self) -> Iterator[Rung]:
        return iter(self._rungs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._rungs[index]
