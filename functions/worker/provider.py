"""One call to one model, through the OpenAI SDK: an `Answer`, or a `ProviderFailure`.

What an exception of the SDK says may quote the prompt or the key, so none of it is kept but what
`providers` makes of it: a kind, a status, a parameter's name.
"""

import asyncio
import json
import logging
import random
import re
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Protocol, Self

import httpx2
import openai
from aws_lambda_powertools import Logger

from ladder import Rung, SecretEntry
from prompt import Message
from providers import bounds, error_bodies, replies, waits
from providers.error_bodies import Said
from providers.kinds import Kind, kind_of
from providers.outcomes import (
    UNREPORTED,
    Answer,
    Barred,
    Down,
    Misconfigured,
    Misfit,
    Paused,
    ProviderFailure,
    Throttled,
)
from simmer import aws, clock
from simmer.aws import AwsError
from simmer.connection import tls_context
from simmer.jobs.job import Usage, fingerprint

# At INFO it writes a line of its own for each call, with the address.
logging.getLogger("httpx2").setLevel(logging.WARNING)

logger = Logger(service="simmer", child=True)

# The machine's roots, read once, and while the sandbox starts: Lambda gives it a whole processor
# then, and a seventh of one later, at 256 MB. A team's own are in the file SSL_CERT_FILE.
_TLS = tls_context(None)

# A key that was just put into the secret is used within this time.
KEYS_MAX_AGE_SECONDS = 60
# A rung whose account or key was refused is not asked again for this long, unless its key changes.
PAUSE_SECONDS = 60


class Secrets(Protocol):
    """Secrets Manager's client, as far as it is used."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]: ...  # noqa: N803


class Provider:
    """Every provider on the ladder, with its key from Secrets Manager."""

    def __init__(self, keys_secret: str, secrets: Secrets) -> None:
        self._keys_secret = keys_secret
        self._secrets = secrets
        # When the secret was last read, and what it said.
        self._read: tuple[int, str | AwsError] = 0, ""
        self._reading = threading.Lock()
        self._barred_until_ms: dict[tuple[str, ...], int] = {}
        self._slots: dict[tuple[str, ...], asyncio.Semaphore] = {}

    @classmethod
    def connect(cls, keys_secret: str) -> Self:
        return cls(keys_secret, aws.client("secretsmanager"))

    async def ask(
        self,
        rung: Rung,
        messages: list[Message],
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
                key, headers = await asyncio.to_thread(self._credentials, rung)
        except TimeoutError:
            raise Down("secret out of reach") from None
        account = (rung.base_url, rung.model, key)
        if self._barred_until_ms.get(account, 0) > clock.now_ms():
            raise Paused("rung paused")
        body = _fields(rung, messages, response_format, max_output_tokens)
        client = _client(rung.base_url, key or "none")
        async with self._slot(rung, timeout_seconds / 2):
            if loop.time() >= ends_at:
                raise Down("timeout")  # it never got there
            try:
                return await _complete(client, rung, messages, body, headers, ends_at)
            except Barred:
                self._barred_until_ms[account] = clock.now_ms() + PAUSE_SECONDS * 1000
                raise

    @asynccontextmanager
    async def _slot(self, rung: Rung, wait_seconds: float) -> AsyncIterator[None]:
        """One of the rung's places, where they are counted."""
        if rung.max_concurrency is None:
            yield
            return
        place = (rung.base_url, rung.model)
        slot = self._slots.setdefault(place, asyncio.Semaphore(rung.max_concurrency))
        try:
            async with asyncio.timeout(wait_seconds):
                await slot.acquire()
        except TimeoutError:
            raise Throttled("no place free", None) from None
        try:
            yield
        finally:
            slot.release()

    def _credentials(self, rung: Rung) -> tuple[str, dict[str, Any]]:
        """The rung's key ("" for none), and its headers with what the secret has for them."""
        entries = {n: v.secret for n, v in rung.headers.items() if isinstance(v, SecretEntry)}
        named = ({"": rung.key} if rung.key else {}) | entries
        stored = self._stored() if named else {}
        try:
            values = {header: str(stored[entry]).strip() for header, entry in named.items()}
        except (KeyError, TypeError):
            raise Misconfigured("key not in the secret") from None
        key = values.pop("", "")
        headers: dict[str, Any] = {**rung.headers, **values}
        if not key or rung.key_header != "Authorization":
            headers.setdefault("Authorization", openai.Omit())
        if key and rung.key_header != "Authorization":
            headers[rung.key_header] = key
        return key, headers

    def _stored(self) -> Any:
        try:
            return json.loads(self._text())
        except ValueError:
            raise Misconfigured("key not in the secret") from None
        except AwsError as error:
            if error.code in _NOT_PASSING:
                raise Misconfigured("secret not readable") from None
            raise Down("secret out of reach") from None

    def _text(self) -> str:
        """The secret. Who waited for another one's read takes what came of it, an error too."""
        asked_at_ms = clock.now_ms()
        with self._reading:
            read_at_ms, text = self._read
            is_young = clock.now_ms() < read_at_ms + KEYS_MAX_AGE_SECONDS * 1000
            if read_at_ms <= asked_at_ms and not (is_young and isinstance(text, str)):
                try:
                    answer = self._secrets.get_secret_value(SecretId=self._keys_secret)
                    text = str(answer.get("SecretString"))
                except AwsError as error:
                    text = error
                self._read = clock.now_ms(), text
        if isinstance(text, Exception):
            raise text
        return text


# What Secrets Manager says where no later try can succeed.
_NOT_PASSING = {"AccessDeniedException", "DecryptionFailure"}


@cache
def _client(base_url: str, key: str) -> openai.AsyncOpenAI:
    http = openai.DefaultAsyncHttpxClient(verify=_TLS, event_hooks={"response": [bounds.bound]})
    return openai.AsyncOpenAI(base_url=base_url, api_key=key, http_client=http)


def _fields(
    rung: Rung,
    messages: list[Message],
    response_format: Mapping[str, Any] | None,
    max_output_tokens: int,
) -> dict[str, Any]:
    """The fields of the body besides model and messages."""
    fields: dict[str, Any] = {rung.cap_field: max_output_tokens, **rung.own_fields}
    if response_format is not None:
        fields["response_format"] = response_format
    if rung.takes_prompt_cache_key:
        # Requests that begin alike are sent to where that beginning is cached.
        fields["prompt_cache_key"] = fingerprint(rung.model, str(messages[0].get("content")))
    return fields


async def _complete(
    client: openai.AsyncOpenAI,
    rung: Rung,
    messages: list[Message],
    fields: dict[str, Any],
    headers: Mapping[str, Any],
    ends_at: float,
) -> Answer:
    """The call itself, and what came back told apart."""
    left_seconds = ends_at - asyncio.get_running_loop().time()
    # On the lines of this job from now on: what to ask a provider's support about. A call that
    # times out has only our own name for it.
    ours = uuid.uuid4().hex
    logger.thread_safe_append_keys(clientRequestId=ours, providerRequestId=None)
    headers = {"X-Client-Request-Id": ours, **headers}
    try:
        async with asyncio.timeout_at(ends_at):
            # Not `chat.completions.create`, which would look at each field once more, and load the
            # types of all its answers.
            turns = _with_system_role(messages, rung.system_role)
            response = await client.with_options(timeout=left_seconds, max_retries=0).post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body={"model": rung.model, "messages": turns, **fields},
                options={"headers": headers, "params": rung.query},
            )
        text = response.text
        _keep_request_id(response.headers, _document(text))
        body = json.loads(text)
        return replies.read(body, fields, rung.stop_reasons)
    except openai.APIStatusError as error:
        body = _document(error.response.text)
        _keep_request_id(error.response.headers, body)
        said = error_bodies.read(error.status_code, body, fields)
        return _told_apart(said, error.response.headers, body, Usage())
    except replies.ErrorInside as error:
        return _told_apart(error.said, response.headers, body, error.usage)
    except ProviderFailure:
        raise
    except bounds.TooLong:
        return Answer("", "malformed", UNREPORTED)
    except (TimeoutError, openai.APITimeoutError):
        raise Down("timeout", UNREPORTED) from None
    except openai.APIConnectionError as error:  # most likely it never got there
        raise Down(type(error).__name__) from None
    except Exception as error:  # a broken body surfaces as whatever one trips over
        raise Down(type(error).__name__, UNREPORTED) from None


def _keep_request_id(headers: Mapping[str, str], body: Any) -> None:
    """Log the provider's own name for the call, which its support asks for, if it is a name."""
    named = headers.get("x-request-id") or (body.get("id") if isinstance(body, Mapping) else None)
    if isinstance(named, str) and re.fullmatch(r"[\w.:/+=-]{1,100}", named, re.ASCII):
        logger.thread_safe_append_keys(providerRequestId=named)


def _with_system_role(messages: list[Message], role: str) -> list[Message]:
    """The messages for an endpoint that calls the system another name, or knows none."""
    if role == "system":
        return messages
    first, *others = messages
    if role == "developer":
        return [{"role": "developer", "content": str(first.get("content"))}, *others]
    second, *others = others
    text = f"{first.get('content')}\n{second.get('content')}"
    return [{"role": "user", "content": text}, *others]


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a proxy's page
        return None


def _told_apart(said: Said, headers: Mapping[str, str], body: Any, usage: Usage) -> Answer:
    """The outcome that an error stands for."""
    kind = kind_of(said)
    wait_seconds = waits.wait_seconds(headers, body, said.text)
    if kind is Kind.DOWN and said.status == 503 and wait_seconds is not None:
        kind = Kind.THROTTLED
    word = f"{kind} {said.status}"
    match kind:
        case Kind.REFUSED:
            return Answer("", "refused", usage if usage.calls else Usage(calls=1))
        case Kind.MALFORMED:
            return Answer("", "malformed", usage if usage.calls else UNREPORTED)
        case Kind.THROTTLED:
            raise Throttled(word, wait_seconds, usage) from None
        case Kind.UNPAID | Kind.KEYLESS:
            raise Barred(word, usage) from None
        case Kind.PARAMETER | Kind.MISCONFIGURED:
            failure = Misfit if said.status in (400, 403, 413, 422) else Misconfigured
            raise failure(word, usage, parameter=said.parameter) from None
        case Kind.DOWN:
            raise Down(word, usage) from None


def delay_seconds(failure: ProviderFailure, waited_seconds: float = 0) -> int:
    """When to try again: what the provider said, or a few seconds, and longer the longer the job
    has waited; with jitter, so that jobs that were turned away together do not come back together.
    """
    wanted = failure.retry_after_seconds if isinstance(failure, Throttled) else None
    base = max(3.0, min(waited_seconds / 2, 30.0)) if wanted is None else max(1.0, wanted)
    return round(base * random.uniform(1.0, 1.5) + random.uniform(0, 1))
