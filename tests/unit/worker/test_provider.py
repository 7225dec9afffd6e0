"""The real SDK over real HTTP, against a server that misbehaves in every way we know."""

import asyncio
import contextlib
import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Coroutine, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

import provider as provider_module
from ladder import Rung
from prompt import first_ask, response_format
from provider import KEYS_MAX_AGE_SECONDS, Provider, delay_seconds
from providers.outcomes import (
    Answer,
    Barred,
    Down,
    Misconfigured,
    Misfit,
    ProviderFailure,
    Throttled,
)
from simmer import aws, clock
from simmer.jobs.job import Usage
from simmer.task import find_task
from tests.as_ours import BOTO3_ERRORS, as_ours
from tests.unit.cloud import refused
from tests.unit.worker.fakes import REQUEST
from tests.unit.worker.servers import (
    Answering,
    Crude,
    StandIn,
    completion,
    eventually,
    says,
    trickles,
)

pytestmark = pytest.mark.enable_socket

KEY = "sk-very-secret-0123456789"
TASK = find_task("recipe")
PROMPT_WORDS = ("두부", "crème fraîche")


# --- The surroundings -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stand_in_server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def stand_in(stand_in_server: StandIn) -> StandIn:
    stand_in_server.reset()
    return stand_in_server


@pytest.fixture(scope="module")
def crude_server() -> Iterator[Crude]:
    with Crude() as server:
        yield server


@pytest.fixture
def crude(crude_server: Crude) -> Crude:
    crude_server.reset()
    return crude_server


class Secret:
    """The keys secret."""

    def __init__(self) -> None:
        self.reads = 0
        logging.getLogger("botocore").setLevel(logging.INFO)  # the tests' own client
        self.client = boto3.client("secretsmanager")
        self.id = self.client.create_secret(Name="keys", SecretString="{}")["ARN"]

    def put(self, text: str) -> None:
        self.client.put_secret_value(SecretId=self.id, SecretString=text)

    def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803
        self.reads += 1
        try:
            return self.client.get_secret_value(SecretId=SecretId)
        except BOTO3_ERRORS as error:
            raise as_ours(error) from None


@pytest.fixture(scope="module")
def only_secret() -> Iterator[Secret]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield Secret()


@pytest.fixture
def secret(only_secret: Secret) -> Secret:
    only_secret.put(json.dumps({"default": KEY}))
    return only_secret


@pytest.fixture
def provider(secret: Secret) -> Provider:
    return Provider(secret.id, secret)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all, as the function has it: connections are kept between calls."""
    with asyncio.Runner() as one:
        yield one


class Run:
    """Runs calls of a provider to their end."""

    def __init__(self, runner: asyncio.Runner, provider: Provider) -> None:
        self._runner = runner
        self._provider = provider

    def ask(self, server: StandIn | Crude, timeout_seconds: float = 30, **rung: Any) -> Answer:
        return self._runner.run(self.asking(server, timeout_seconds, **rung))

    def failure(
        self, server: StandIn | Crude, timeout_seconds: float = 30, **rung: Any
    ) -> ProviderFailure:
        with pytest.raises(ProviderFailure) as failed:
            self.ask(server, timeout_seconds, **rung)
        return failed.value

    def asking(
        self, server: StandIn | Crude, timeout_seconds: float = 30, **rung: Any
    ) -> Coroutine[Any, Any, Answer]:
        asked = Rung.model_validate(
            {"model": "stand-in-small", "baseUrl": f"{server.url}/v1", **rung}
        )
        return self._provider.ask(
            asked,
            first_ask(TASK, asked, json.dumps(REQUEST, ensure_ascii=False)),
            response_format(TASK, asked),
            max_output_tokens=asked.max_output_tokens,
            timeout_seconds=timeout_seconds,
        )

    def run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)


@pytest.fixture
def run(runner: asyncio.Runner, provider: Provider) -> Run:
    return Run(runner, provider)


# --- Answers --------------------------------------------------------------------------------------


def test_a_good_answer_comes_as_it_was_said_with_what_it_consumed(
    run: Run, stand_in: StandIn
) -> None:
    answer = run.ask(stand_in)
    assert answer.ending == "stop"
    assert len(json.loads(answer.text)["recipes"]) == 2
    assert answer.usage.calls == 1
    assert answer.usage.input_tokens > answer.usage.cached_input_tokens == 0
    assert answer.usage.output_tokens > 0


def test_cached_tokens_are_counted_apart(run: Run, stand_in: StandIn) -> None:
    run.ask(stand_in)
    again = run.ask(stand_in)
    assert again.usage.input_tokens > again.usage.cached_input_tokens > 0


@pytest.mark.parametrize("structured", ["json_schema", "json_object", "prompt"])
def test_the_call_says_what_the_rung_is_set_to(run: Run, crude: Crude, structured: str) -> None:
    crude.answer = says(completion())
    run.ask(crude, structured=structured, maxOutputTokens=1234)
    (sent,) = crude.bodies
    assert sent["model"] == "stand-in-small"
    assert sent["max_completion_tokens"] == 1234
    assert "max_tokens" not in sent
    assert sent.get("response_format", {}).get("type") == {"prompt": None}.get(
        structured, structured
    )
    assert crude.authorizations == [f"Bearer {KEY}"]


TOKENS = {"prompt_tokens": 7, "completion_tokens": 3}
NO_USAGE = Usage(calls=1, unreported_calls=1)
SOME_USAGE = Usage(calls=1, input_tokens=7, output_tokens=3)
ODD_COMPLETIONS: dict[str, tuple[dict[str, Any], Answer]] = {
    "no usage": (completion(usage=None), Answer("hello", "stop", NO_USAGE)),
    "no cached tokens": (
        completion(usage={**TOKENS, "prompt_tokens_details": None}),
        Answer("hello", "stop", SOME_USAGE),
    ),
    "usage of nulls": (
        completion(usage={"prompt_tokens": None, "completion_tokens": None}),
        Answer("hello", "stop", NO_USAGE),
    ),
    "no content": (
        completion(message={"role": "assistant", "content": None}),
        Answer("", "stop", SOME_USAGE),
    ),
    "content in parts": (
        completion(message={"role": "assistant", "content": [{"type": "text", "text": "hello"}]}),
        Answer("hello", "stop", SOME_USAGE),
    ),
    "cut at the cap": (
        completion(finish_reason="length"),
        Answer("hello", "truncated", SOME_USAGE),
    ),
    "a tool call": (completion(finish_reason="tool_calls"), Answer("hello", "stop", SOME_USAGE)),
    "no finish reason": (completion(finish_reason=None), Answer("hello", "stop", SOME_USAGE)),
    "filtered": (completion(finish_reason="content_filter"), Answer("", "refused", SOME_USAGE)),
    "refused": (
        completion(message={"role": "assistant", "content": None, "refusal": "No."}),
        Answer("", "refused", SOME_USAGE),
    ),
    "refused with content": (
        completion(message={"role": "assistant", "content": "hello", "refusal": "No."}),
        Answer("", "refused", SOME_USAGE),
    ),
}


@pytest.mark.parametrize(("body", "answer"), ODD_COMPLETIONS.values(), ids=ODD_COMPLETIONS.keys())
def test_an_odd_completion_is_read_as_it_is(
    run: Run, crude: Crude, body: dict[str, Any], answer: Answer
) -> None:
    crude.answer = says(body)
    assert run.ask(crude) == answer


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        ("truncated", "truncated"),
        ("refusal", "refused"),
        ("content_filter", "refused"),
        ("empty", "stop"),
        ("null_content", "stop"),
        ("prose", "stop"),
        ("lone_surrogate", "stop"),
        ({"kind": "raw", "content": "half \ud83d"}, "stop"),
    ],
)
def test_what_the_stand_in_says_ends_as(
    run: Run, stand_in: StandIn, said: str | dict[str, Any], ending: str
) -> None:
    stand_in.script(said)
    assert run.ask(stand_in).ending == ending
    assert len(stand_in.calls()) == 1


# --- Failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misbehaviour", "failure"),
    [
        ("401", Barred),
        ("403", Misfit),
        ("404", Misconfigured),
        ("quota", Barred),
        ("429", Throttled),
        ("429:5", Throttled),
        ("503:5", Throttled),
        ("overloaded", Throttled),
        ("503", Throttled),  # "The engine is overloaded."
        ("500", Down),
        ("html", Down),
        ("no_choices", Down),
        ("broken_json", Down),
        ("nothing", Down),
        ("drop", Down),
    ],
)
def test_a_misbehaviour_is_one_call_and_the_right_failure(
    run: Run, stand_in: StandIn, misbehaviour: str, failure: type[ProviderFailure]
) -> None:
    stand_in.script(misbehaviour)
    assert type(run.failure(stand_in)) is failure
    # The SDK's own retries would sleep in a function that is paid by the millisecond.
    assert len(stand_in.calls()) == 1


def error(**changes: Any) -> dict[str, Any]:
    """What OpenAI says of an error."""
    return {"error": {"message": "m", "type": "t", "param": None, "code": None, **changes}}


ERROR = error()
FILTERED = error(code="content_filter")
QUOTA = error(code="insufficient_quota")
STATUSES: dict[str, tuple[Answering, type[ProviderFailure]]] = {
    "400": (says(ERROR, 400), Misfit),
    "422": (says(ERROR, 422), Misfit),
    "418": (says(ERROR, 418), Misconfigured),
    "503": (says(ERROR, 503), Down),
    "503 that says when": (says("<html>busy</html>", 503, Retry_After="9"), Throttled),
    "502 that says when": (says("<html>busy</html>", 502, Retry_After="9"), Down),
    "429 without a word": (says("", 429), Throttled),
    "429 for the quota": (says(QUOTA, 429), Barred),
    "408": (says(ERROR, 408), Down),
    "409": (says(ERROR, 409), Down),
    "502 of a proxy": (says("<html>Bad Gateway</html>", 502), Down),
    "529": (says(ERROR, 529), Throttled),
    "302 to nowhere": (says("", 302, Location="http://127.0.0.1:1/"), Down),
}


@pytest.mark.parametrize(("answer", "failure"), STATUSES.values(), ids=STATUSES.keys())
def test_a_status_is_the_right_failure(
    run: Run, crude: Crude, answer: Answering, failure: type[ProviderFailure]
) -> None:
    crude.answer = answer
    assert type(run.failure(crude)) is failure
    assert len(crude.bodies) == 1


def test_a_prompt_that_the_provider_filtered_is_a_refusal(run: Run, crude: Crude) -> None:
    crude.answer = says(FILTERED, 400)
    assert run.ask(crude) == Answer("", "refused", Usage(calls=1))


BROKEN_BODIES: dict[str, Any] = {
    "a list": [],
    "a string": '"hello"',
    "null": "null",
    "no choices": {**completion(), "choices": []},
    "choices of another kind": {**completion(), "choices": {"a": 1}},
    "choices of null": {**completion(), "choices": [None]},
    "no message": completion(message=None),
    "a message of another kind": completion(message="hello"),
    "usage of words": completion(usage={"prompt_tokens": "many", "completion_tokens": "few"}),
    "usage without end": json.dumps(completion()).replace('_tokens": 7', '_tokens": 1e999'),
    "usage of another kind": completion(usage="much"),
    "an error of status 200": {"error": {"message": "m", "code": 500}},
}


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
def test_a_body_that_is_no_answer_is_a_failure_of_the_provider(
    run: Run, crude: Crude, body: Any
) -> None:
    crude.answer = says(body)
    assert type(run.failure(crude)) is Down


def test_a_provider_that_is_not_there_is_down(run: Run, crude: Crude) -> None:
    assert type(run.failure(crude, baseUrl="http://127.0.0.1:1/v1")) is Down


# --- Throttling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "5"}, 5),
        ({"Retry_After": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "Retry_After": "9"}, 0.25),
        ({"Retry_After": "-3"}, 0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),  # it is past
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "1e999"}, None),
        ({"retry_after_ms": "soon", "Retry_After": "9"}, 9),
    ],
)
def test_the_providers_word_on_when_to_come_back(
    run: Run, crude: Crude, headers: dict[str, str], seconds: float | None
) -> None:
    crude.answer = says(ERROR, 429, **headers)
    failure = run.failure(crude)
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == seconds
    assert delay_seconds(failure) >= 1


@pytest.mark.parametrize(
    ("wanted", "least", "most"), [(None, 3, 6), (0, 1, 3), (2, 2, 4), (60, 60, 91)]
)
def test_a_delay_is_never_before_the_providers_word_and_spread_out(
    wanted: float | None, least: int, most: int
) -> None:
    delays = {delay_seconds(Throttled("status 429", wanted)) for _ in range(500)}
    assert least <= min(delays) <= max(delays) <= most
    assert len(delays) > 1


# --- Time -----------------------------------------------------------------------------------------

# Seconds. Far more than anything here takes, also on a busy machine, and far less than without a
# time-out.
LONG = 30


def test_a_provider_that_hangs_is_given_up_at_the_time_out(run: Run, stand_in: StandIn) -> None:
    stand_in.script("hang")
    started = time.monotonic()
    failure = run.failure(stand_in, timeout_seconds=3)
    assert (type(failure), failure.kind) == (Down, "timeout")
    assert failure.usage == Usage(unreported_calls=1)
    assert 2.9 < time.monotonic() - started < LONG
    eventually(lambda: stand_in.calls()[0]["closedEarly"])


def test_a_provider_that_trickles_is_given_up_at_the_time_out(run: Run, crude: Crude) -> None:
    crude.answer = trickles(" " * 3000 + json.dumps(completion()), seconds_a_byte=0.02)
    started = time.monotonic()
    failure = run.failure(crude, timeout_seconds=3)
    assert (type(failure), failure.kind) == (Down, "timeout")
    assert 2.9 < time.monotonic() - started < LONG
    eventually(lambda: crude.closed_early)


def test_a_provider_that_trickles_to_the_end_in_time_has_answered(run: Run, crude: Crude) -> None:
    crude.answer = trickles(json.dumps(completion()), seconds_a_byte=0.0005)
    assert run.ask(crude).text == "hello"


def test_cancelling_a_call_closes_its_connection(run: Run, stand_in: StandIn) -> None:
    stand_in.script("hang")

    async def cancel() -> None:
        call = asyncio.create_task(run.asking(stand_in, 60))
        await asyncio.to_thread(eventually, stand_in.calls)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run.run(cancel())
    eventually(lambda: stand_in.calls()[0]["closedEarly"])


def test_calls_of_one_batch_overlap(run: Run, stand_in: StandIn) -> None:
    stand_in.script(*["hang"] * 10)

    async def ask_all() -> None:
        calls = [asyncio.create_task(run.asking(stand_in, 60)) for _ in range(10)]
        await asyncio.to_thread(eventually, lambda: len(stand_in.calls()) == 10)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    run.run(ask_all())


def test_a_connection_is_kept_for_the_next_call(run: Run, crude: Crude) -> None:
    crude.answer = says(completion())
    for _ in range(3):
        run.ask(crude)
    assert len(crude.connections) == 1


# --- Names of a call ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (says({**completion(), "id": "chatcmpl-1"}, x_request_id="req_7"), "req_7"),
        (says({**completion(), "id": "chatcmpl-1"}), "chatcmpl-1"),
        (says({"error": {"message": "no"}}, 500, x_request_id="req_7"), "req_7"),
        (says("<html>", x_request_id="req_7"), "req_7"),
        (says({**completion(), "id": None}), None),
        (says({**completion(), "id": "what the user asked"}), None),
        (says({**completion(), "id": 7}), None),
        (says({**completion(), "id": "x" * 101}), None),
    ],
)
def test_what_is_logged_after_a_call_has_the_providers_name_for_it_and_ours(
    run: Run, crude: Crude, answer: Answering, named: str | None
) -> None:
    async def asked() -> dict[str, Any]:
        with contextlib.suppress(ProviderFailure):
            await run.asking(crude)
        return provider_module.logger.thread_safe_get_current_keys()

    crude.answer = says({**completion(), "id": "of-the-call-before"})
    run.ask(crude)
    crude.answer = answer
    known = run.run(asked())

    assert known.get("providerRequestId") == named
    assert known["clientRequestId"] == crude.named[-1] != crude.named[-2]
    assert re.fullmatch("[0-9a-f]{32}", crude.named[-1])


# --- Keys -----------------------------------------------------------------------------------------


def test_each_rung_is_asked_with_the_key_it_names(run: Run, crude: Crude, secret: Secret) -> None:
    secret.put(json.dumps({"default": KEY, "other": "sk-other"}))
    crude.answer = says(completion())
    run.ask(crude)
    run.ask(crude, key="other")
    assert crude.authorizations == [f"Bearer {KEY}", "Bearer sk-other"]


@pytest.mark.parametrize("stored", ["{}", "not json", "[]", '"sk-1"', '{"other": "sk-1"}'])
def test_a_key_that_is_not_in_the_secret_is_the_operators_to_mend(
    run: Run, crude: Crude, secret: Secret, stored: str
) -> None:
    secret.put(stored)
    assert type(run.failure(crude)) is Misconfigured
    assert crude.bodies == []


def test_a_secret_out_of_reach_is_a_failure_that_may_pass(
    runner: asyncio.Runner, crude: Crude, secret: Secret
) -> None:
    elsewhere = Provider(f"{secret.id}-gone", secret)
    assert type(Run(runner, elsewhere).failure(crude)) is Down
    assert crude.bodies == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", Misconfigured),
        ("DecryptionFailure", Misconfigured),
        ("InternalServiceError", Down),
        ("ThrottlingException", Down),
    ],
)
def test_a_secret_that_may_not_be_read_is_the_operators_to_mend(
    runner: asyncio.Runner, crude: Crude, code: str, kind: type[ProviderFailure]
) -> None:
    class Refusing:
        def get_secret_value(self, **_: Any) -> dict[str, Any]:
            raise as_ours(refused(code))

    refusing: Any = Refusing()
    provider = Provider("secret", refusing)

    assert type(Run(runner, provider).failure(crude)) is kind
    assert crude.bodies == []


def test_a_secret_that_hangs_is_given_up_at_the_calls_own_time_out(
    runner: asyncio.Runner, crude: Crude
) -> None:
    was_given_up = threading.Event()

    class Hanging:
        def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
            assert was_given_up.wait(60)
            return {"SecretString": "{}"}

    try:
        failure = Run(runner, Provider("secret", Hanging())).failure(crude, timeout_seconds=0.2)
    finally:
        was_given_up.set()
    assert (type(failure), failure.kind, failure.usage) == (Down, "secret out of reach", Usage())
    assert crude.bodies == []


def test_a_call_whose_time_is_over_before_it_begins_is_none(
    run: Run, crude: Crude, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = provider_module._client

    def slow(base_url: str, key: str) -> Any:
        time.sleep(3)
        return client(base_url, key)

    monkeypatch.setattr(provider_module, "_client", slow)
    failure = run.failure(crude, timeout_seconds=2.5)
    assert (type(failure), failure.kind, failure.usage) == (Down, "timeout", Usage())
    assert crude.bodies == []


def test_a_provider_finds_its_own_way_to_the_secret(
    runner: asyncio.Runner, crude: Crude, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    crude.answer = says(completion())
    monkeypatch.setattr(aws, "client", {"secretsmanager": secret}.get)
    assert Run(runner, Provider.connect(secret.id)).ask(crude).text == "hello"


def test_a_new_key_is_used_once_the_old_one_is_old(
    run: Run, crude: Crude, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    crude.answer = says(completion())
    run.ask(crude)
    secret.put(json.dumps({"default": "sk-new"}))
    run.ask(crude)

    later = clock.now_ms() + (KEYS_MAX_AGE_SECONDS + 1) * 1000
    monkeypatch.setattr(clock, "now_ms", lambda: later)
    run.ask(crude)
    assert crude.authorizations == [f"Bearer {KEY}", f"Bearer {KEY}", "Bearer sk-new"]


# --- Silence --------------------------------------------------------------------------------------

LEAKING = f"Incorrect API key provided: {KEY}. You asked about 두부 and said crème fraîche."

LEAKS: dict[str, Answering] = {
    "an error that quotes key and prompt": says(error(message=LEAKING), 401),
    "a code that does": says(error(code=LEAKING), 500),
    "a throttle that does": says(error(message=LEAKING), 429),
    "a page that does": says(f"<html>{LEAKING}</html>", 502),
    "a broken body that does": says('{"choices": [' + LEAKING),
    "a body of another kind that does": says({"choices": LEAKING}),
    "no failure at all": says(completion(message={"role": "assistant", "content": LEAKING})),
}


@pytest.mark.parametrize("answer", LEAKS.values(), ids=LEAKS.keys())
def test_neither_key_nor_prompt_nor_answer_is_logged_or_raised(
    run: Run, crude: Crude, records: list[logging.LogRecord], answer: Answering
) -> None:
    crude.answer = answer
    told, kind = "", "none"
    try:
        run.ask(crude)
    except ProviderFailure as failure:
        told = "".join(traceback.format_exception(failure)) + repr(vars(failure))
        kind = failure.kind
    assert crude.bodies
    assert re.fullmatch("[A-Za-z0-9 ]{1,40}", kind), "a name, never a text"
    logged = "\n".join(str({**vars(record), "text": record.getMessage()}) for record in records)
    assert [word for word in (KEY, *PROMPT_WORDS) if word in logged + told] == []


@pytest.mark.parametrize("stored", [KEY, json.dumps([KEY]), json.dumps({"other": KEY})])
def test_an_unusable_secret_is_not_quoted(
    run: Run, crude: Crude, secret: Secret, records: list[logging.LogRecord], stored: str
) -> None:
    secret.put(stored)
    records.clear()  # what this test's own call has logged
    failure = run.failure(crude)
    told = "".join(traceback.format_exception(failure)) + repr(vars(failure))
    assert KEY not in told
    assert KEY not in str([vars(record) for record in records])
