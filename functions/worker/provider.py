"""One call to one model, through the OpenAI SDK: an `Answer`, or a failure of one of four kinds.

ProviderFailure
├── Throttled       the provider has no room now: 429, or overloaded (503 with Retry-After, 529)
├── Misconfigured   an operator must act: key, permission, unknown model, quota of the account
└── Down            everything else: 5xx, time-out, connection, a body that is no answer

What an exception of the SDK says may quote the prompt or the key, so none of it is kept but its
type and status.
"""

import asyncio
import json
import logging
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self

import openai
from aws_lambda_powertools.utilities import parameters
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from ladder import Rung
from simmer.aws import CLIENT_CONFIG
from simmer.jobs.job import Usage, fingerprint

# At INFO it writes a line of its own for each call, with the address.
logging.getLogger("httpx2").setLevel(logging.WARNING)

# A key that was just put into the secret is used within this time.
KEYS_MAX_AGE_SECONDS = 60

# A count of tokens above this is a slip of the provider's, and more than DynamoDB can add.
MAX_TOKENS = 10**9

# The model was at work, and nobody told what that took.
UNREPORTED = Usage(unreported_calls=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, not yet looked at. `ending` is how it came to stop."""

    text: str
    ending: Literal["stop", "truncated", "refused"]
    usage: Usage


class ProviderFailure(Exception):
    """The call gave no answer. `kind` is for the log; nothing of the exchange is in it. `usage` is
    what it consumed all the same, as far as the provider said so."""

    def __init__(self, kind: str, usage: Usage | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.usage = usage or Usage()


class Throttled(ProviderFailure):
    """No room now. `retry_after_seconds` is the provider's own word, if it gave one."""

    def __init__(self, kind: str, retry_after_seconds: float | None) -> None:
        super().__init__(kind)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(ProviderFailure):
    """No call of this kind can succeed before an operator has changed something."""


class Down(ProviderFailure):
    """The provider failed; another may not."""


class Provider:
    """Every provider on the ladder, with its key from Secrets Manager."""

    def __init__(self, keys_secret: str, secrets: parameters.SecretsProvider) -> None:
        self._keys_secret = keys_secret
        self._secrets = secrets

    @classmethod
    def connect(cls, keys_secret: str) -> Self:
        return cls(keys_secret, parameters.SecretsProvider(boto_config=CLIENT_CONFIG))

    async def ask(
        self,
        rung: Rung,
        messages: list[ChatCompletionMessageParam],
        response_format: Mapping[str, Any] | None,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        """One answer of the rung's model within `timeout_seconds`, or a `ProviderFailure`."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_seconds
        try:
            async with asyncio.timeout_at(ends_at):
                key = await asyncio.to_thread(self._key, rung.key)
        except TimeoutError:
            raise Down("secret out of reach") from None
        client = _client(rung.base_url, key)
        options: dict[str, Any] = {}
        if response_format is not None:
            options["response_format"] = response_format
        if rung.takes_prompt_cache_key:
            # Requests that begin alike are sent to where that beginning is cached.
            options["prompt_cache_key"] = fingerprint(rung.model, str(messages[0].get("content")))
        if loop.time() >= ends_at:
            raise Down("timeout")  # it never got there
        try:
            async with asyncio.timeout_at(ends_at):
                completion = await client.with_options(
                    timeout=timeout_seconds, max_retries=0
                ).chat.completions.create(
                    model=rung.model,
                    messages=messages,
                    max_completion_tokens=max_output_tokens,
                    **options,
                )
        except openai.APIStatusError as error:
            if error.code == "content_filter":  # Azure filters prompts with a 400
                return Answer("", "refused", Usage(calls=1))
            raise _status_failure(error) from None
        except (TimeoutError, openai.APITimeoutError):
            raise Down("timeout", UNREPORTED) from None
        except openai.APIConnectionError as error:  # most likely it never got there
            raise Down(type(error).__name__) from None
        except Exception as error:  # a broken body surfaces as whatever the SDK tripped over
            raise Down(type(error).__name__, UNREPORTED) from None
        return _answer(completion)

    def _key(self, name: str) -> str:
        try:
            stored = self._secrets.get(self._keys_secret, max_age=KEYS_MAX_AGE_SECONDS)
            keys = json.loads(str(stored))
            return str(keys[name]).strip()
        except (ValueError, KeyError, TypeError):
            raise Misconfigured("key not in the secret") from None
        except parameters.exceptions.GetParameterError:
            raise Down("secret out of reach") from None


@cache
def _client(base_url: str, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key=key)


def _answer(completion: ChatCompletion) -> Answer:
    """Read the completion as it may really be: the SDK does not check the body's types."""
    usage = Usage(calls=1)
    try:
        usage = _usage(completion)
        choice = completion.choices[0]
        text, refusal, finish = choice.message.content, choice.message.refusal, choice.finish_reason
    except Exception:  # whatever one trips over
        raise Down("no choices", usage) from None
    if finish == "content_filter" or refusal:
        return Answer("", "refused", usage)
    if not isinstance(text, str):
        text = ""
    return Answer(text, "truncated" if finish == "length" else "stop", usage)


def _usage(completion: ChatCompletion) -> Usage:
    used = completion.usage
    if used is None:
        return Usage(calls=1)
    return Usage(
        calls=1,
        input_tokens=_tokens(used.prompt_tokens),
        cached_input_tokens=_tokens(getattr(used.prompt_tokens_details, "cached_tokens", None)),
        output_tokens=_tokens(used.completion_tokens),
    )


def _tokens(count: int | None) -> int:
    return min(max(int(count or 0), 0), MAX_TOKENS)


def _status_failure(error: openai.APIStatusError) -> ProviderFailure:
    status, kind = error.status_code, f"status {error.status_code}"
    if status in (400, 401, 403, 404, 422) or error.code == "insufficient_quota":
        return Misconfigured(kind)
    retry_after = _retry_after_seconds(error.response.headers)
    if status in (429, 529) or (status == 503 and retry_after is not None):
        return Throttled(kind, retry_after)
    return Down(kind)


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = float(headers["retry-after"])
    except (KeyError, ValueError):  # an HTTP date is allowed there, and no provider sends one
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def delay_seconds(throttled: Throttled) -> int:
    """When to try again: what the provider said, or a few seconds, with jitter so that jobs that
    were turned away together do not come back together."""
    wanted = throttled.retry_after_seconds
    base = 3.0 if wanted is None else max(1.0, wanted)
    return round(base * random.uniform(1.0, 1.5) + random.uniform(0, 1))
