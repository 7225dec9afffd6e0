"""The models to ask, cheapest first: the template's `ModelLadder`, read and checked.

A JSON list with an object a rung; only `model` is required:

    [{"model": "gpt-6-luna"},
     {"provider": "anthropic", "model": "claude-opus-5-5", "key": "anthropic"}]

docs/providers.md lists the providers and the fields of a rung.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from prices import Price
from providers.presets import preset, with_preset
from simmer.text import strict_json

type Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
type HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
type HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,1000}$")]

# What a call says anyhow, and the field of a rung that changes it.
_OURS = {
    "model": "model",
    "messages": "systemRole",
    "response_format": "structured",
    "max_tokens": "maxOutputTokens and capField",
    "max_completion_tokens": "maxOutputTokens and capField",
    "prompt_cache_key": "promptCache",
    "stream": "nothing: answers are not streamed",
    "n": "nothing: one answer is read",
}


class SecretEntry(BaseModel):
    """A header's value that stands in the keys secret under this name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Annotated[str, Field(min_length=1)]


class Rung(BaseModel):
    """One model at one OpenAI-compatible endpoint.

    `provider` names a preset whose fields hold where the rung has none of its own. `key` names an
    entry of the keys secret ("" for none), sent as a bearer token or in `key_header`.

    `structured` is how the endpoint is told the shape: `json_schema` (it enforces the schema),
    `json_object` (it enforces JSON), `prompt` (it is only asked). `bounds` says whether its schema
    mode takes `maxLength` and the like: small models loop for ever without, and some vendors refuse
    them. `max_output_tokens`, said in `cap_field`, is doubled once when an answer was cut short, to
    no more than `max_output_tokens_limit`.

    `prompt_cache` says whether the endpoint takes `prompt_cache_key`; unless said, only OpenAI's
    own does, for others may refuse a field they do not know. `price` is the model's own, where
    `prices.json` does not know it or knows another. `thinking` is the provider's switch,
    `extra_body`, `headers` and `query` are sent as they are; a header may name a secret's entry.

    While there is no room, jobs younger than `patience_seconds` wait for this rung rather than ask
    the next. `max_concurrency` holds in one worker process. `stop_reasons` are more words for a
    clean end.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    provider: str | None = None
    model: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/@?#<>{}]+(/[^\s?#<>{}]*)?$")] = (
        "https://api.openai.com/v1"
    )
    key: str = "default"
    key_header: HeaderName = "Authorization"
    structured: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    bounds: bool = False
    max_output_tokens: Annotated[int, Field(ge=100)] = 4000
    max_output_tokens_limit: Annotated[int, Field(ge=100)] | None = None
    cap_field: Name = "max_completion_tokens"
    timeout_seconds: Annotated[float, Field(gt=0, le=180)] = 90
    prompt_cache: bool | None = None
    price: Price | None = None
    thinking: bool | None = None
    reasoning_effort: Name | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: int | None = None
    seed_field: Name = "seed"
    service_tier: Name | None = None
    patience_seconds: Annotated[float, Field(ge=0, le=3600)] = 0
    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    system_role: Literal["system", "developer", "user"] = "system"
    extra_body: dict[str, JsonValue] = {}
    headers: dict[HeaderName, HeaderValue | SecretEntry] = {}
    query: dict[str, str] = {}
    stop_reasons: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, said: Any) -> Any:
        if not isinstance(said, Mapping):
            return said
        rung = with_preset(said)
        address = rung.get("baseUrl")
        if isinstance(address, str) and "?" in address:
            query = dict(parse_qsl(urlsplit(address).query))
            rung["baseUrl"] = address.partition("?")[0]
            rung["query"] = {**query, **rung.get("query", {})}
        return rung

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        for name in self.extra_body:
            if name in _OURS:
                raise ValueError(
                    f"extraBody.{name}: is sent anyhow; what changes it: {_OURS[name]}"
                )
        for name, value in self.headers.items():
            if isinstance(value, str) and re.search("auth|key|token|secret|cookie", name, re.I):
                raise ValueError(f'headers.{name}: not in a parameter: {{"secret": "<entry>"}}')
        if (self.max_output_tokens_limit or self.max_output_tokens) < self.max_output_tokens:
            raise ValueError("maxOutputTokensLimit: is below maxOutputTokens")
        if self.thinking is not None and self._thinking() is None:
            raise ValueError(
                "thinking: no switch of that provider's is known; say it in extraBody,"
                " or in reasoningEffort"
            )
        return self

    def _thinking(self) -> Mapping[str, Any] | None:
        if self.thinking is None:
            return {}
        known = preset(self.provider).thinking if self.provider else {}
        return known.get("on" if self.thinking else "off")

    @property
    def larger_cap(self) -> int | None:
        """The cap of a second call, after the first was cut short."""
        larger = 2 * self.max_output_tokens
        larger = min(larger, self.max_output_tokens_limit or larger)
        return larger if larger > self.max_output_tokens else None

    @property
    def own_fields(self) -> dict[str, Any]:
        """The fields of the body that only this rung sends."""
        said = {
            "reasoning_effort": self.reasoning_effort,
            "temperature": self.temperature,
            self.seed_field: self.seed,
            "service_tier": self.service_tier,
        }
        given = {name: value for name, value in said.items() if value is not None}
        return {**(self._thinking() or {}), **given, **self.extra_body}

    def capped(self, max_output_tokens: int | None) -> "Rung":
        """The rung with an output cap that is no higher than that."""
        if max_output_tokens is None or max_output_tokens >= self.max_output_tokens:
            return self
        return self.model_copy(update={"max_output_tokens": max_output_tokens})

    @property
    def takes_prompt_cache_key(self) -> bool:
        if self.prompt_cache is not None:
            return self.prompt_cache
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")


_RUNGS: TypeAdapter[list[Rung]] = TypeAdapter(
    Annotated[list[Rung], Field(min_length=1, max_length=5)]
)


class UnusableLadder(ValueError):
    """The ladder cannot work; each line says in which rung (from 1) and field, and why."""


class Ladder(tuple[Rung, ...]):
    """The rungs in the order they are asked."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the parameter; an `UnusableLadder` says what is wrong, in which rung and field."""
        try:
            # Not `validate_json`: it takes `base_url` for `baseUrl`'s name and overlooks it (2.13).
            return cls(_RUNGS.validate_python(strict_json.loads(text)))
        except ValidationError as error:
            # Without what stood there, which may be a key in the wrong place.
            lines = error.errors(include_url=False, include_input=False, include_context=False)
            raise UnusableLadder(
                "\n".join(_sentence(line["loc"], line["msg"]) for line in lines)
            ) from None


def _sentence(place: tuple[int | str, ...], reason: str) -> str:
    """`ModelLadder, rung 2, baseUrl: …`"""
    rung = [f"rung {place[0] + 1}"] if place and isinstance(place[0], int) else []
    field = [".".join(str(part) for part in place[1:])] if len(place) > 1 else []
    where = ", ".join(["ModelLadder", *rung, *field])
    return f"{where}: {reason.removeprefix('Value error, ')}"
