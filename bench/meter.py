"""Tokens as a vendor would bill them: a real vocabulary, and a prompt cache that goes by prefix.

The vocabulary is o200k_base, of OpenAI's models since GPT-4o; what GPT-5.x really uses OpenAI does
not say. Billed are the messages with what the chat format adds, the schema (a vendor puts it before
the system message) and the answer. Left out are the tokens a model thinks with: they are the same
for every prompt, and a setting.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simmer.jobs.job import Usage

# OpenAI's rule (models before GPT-5.6): prefixes of 1,024 tokens and more, in steps of 128.
SHORTEST_CACHED_PREFIX = 1024
CACHE_STEP = 128

TOKENS_A_MESSAGE = 3  # who speaks, and where it ends
TOKENS_BEFORE_ANSWER = 3

type Encode = Callable[[str], list[int]]


def o200k() -> Encode:
    """The tokenizer. Its vocabulary is in the package: nothing is downloaded at run time."""
    from bpe_openai import get_encoding

    encode: Encode = get_encoding("o200k_base").encode
    return encode


class Meter:
    """Bills calls one after another and remembers their prompts, as a warm cache does.

    `shortest_cached_prefix` and `cache_step` are the vendor's; None caches nothing.
    """

    def __init__(
        self,
        encode: Encode,
        shortest_cached_prefix: int | None = SHORTEST_CACHED_PREFIX,
        cache_step: int = CACHE_STEP,
    ) -> None:
        self._encode = encode
        self._shortest = shortest_cached_prefix
        self._step = cache_step
        self._seen: set[int] = set()

    def tokens(self, text: str) -> int:
        return len(self._encode(text))

    def bill(
        self,
        messages: Iterable[Mapping[str, Any]],
        response_format: Mapping[str, Any] | None,
        answer: str,
    ) -> Usage:
        """The consumption of the call."""
        prompt = self._encode(_schema_text(response_format))
        for message in messages:
            prompt += [-1] * TOKENS_A_MESSAGE + self._encode(str(message["content"]))
        cached = self._cached(prompt)
        return Usage(
            calls=1,
            input_tokens=len(prompt) + TOKENS_BEFORE_ANSWER,
            cached_input_tokens=cached,
            output_tokens=self.tokens(answer),
        )

    def _cached(self, prompt: list[int]) -> int:
        if self._shortest is None:
            return 0
        cached = 0
        for length in range(self._shortest, len(prompt) + 1, self._step):
            prefix = hash(tuple(prompt[:length]))
            if prefix in self._seen:
                cached = length
            self._seen.add(prefix)
        return cached


def _schema_text(response_format: Mapping[str, Any] | None) -> str:
    if not response_format or "json_schema" not in response_format:
        return ""
    return json.dumps(response_format["json_schema"], separators=(",", ":"), ensure_ascii=False)
