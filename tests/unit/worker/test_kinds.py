"""What endpoints say when they do not answer, in their own forms, and what it is a case of."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from providers import error_bodies
from providers.kinds import ROWS, Kind, kind_of
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.playing import Endpoints, Player, Reply, in_turn
from tests.unit.worker.workshop import Workshop


def openai(message: str = "m", **fields: Any) -> dict[str, Any]:
    """OpenAI's own form, which most others have copied."""
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


def google(status: int, message: str, word: str, *details: dict[str, Any]) -> list[Any]:
    return [
        {"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    ]


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


FLAGGED = {"reasons": ["violence"], "flagged_input": "how to …", "provider_name": "OpenAI"}

SAID: dict[str, tuple[Kind, int, Any]] = {
    # ── This prompt ───────────────────────────────────────────────────────────────────────────────
    "Qwen inspects the input": (
        Kind.REFUSED,
        400,
        openai("Input data may contain inappropriate content.", code="data_inspection_failed"),
    ),
    "DashScope's native form": (
        Kind.REFUSED,
        400,
        {"code": "DataInspectionFailed", "message": "Output data may contain …", "request_id": "1"},
    ),
    "Moonshot's high risk": (
        Kind.REFUSED,
        400,
        openai(
            "The request was rejected because it was considered high risk", type="content_filter"
        ),
    ),
    "DeepSeek's risk": (
        Kind.REFUSED,
        400,
        openai("Content Exists Risk", type="invalid_request_error", code="invalid_request_error"),
    ),
    "Zhipu's sensitive content": (
        Kind.REFUSED,
        400,
        {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}},
    ),
    "OpenRouter's moderation": (
        Kind.REFUSED,
        403,
        {"error": {"code": 403, "message": "Refused", "metadata": FLAGGED}},
    ),
    "OpenRouter's moderation in words": (
        Kind.REFUSED,
        403,
        {"error": {"code": 403, "message": 'Your input was flagged for "violence"'}},
    ),
    "Volcengine": (
        Kind.REFUSED,
        400,
        openai(
            "The input text may contain sensitive information.", code="SensitiveContentDetected"
        ),
    ),
    "Gemini's safety": (
        Kind.REFUSED,
        400,
        google(400, "The prompt was blocked due to safety reasons.", "INVALID_ARGUMENT"),
    ),
    "Anthropic's filter": (
        Kind.REFUSED,
        400,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
    ),
    "Bedrock's guardrail": (
        Kind.REFUSED,
        400,
        {"message": "Your request was blocked by a guardrail."},
    ),
    "OpenAI's usage policies": (
        Kind.REFUSED,
        400,
        openai("Invalid prompt: we've limited access to this content for violating our policies."),
    ),
    "StepFun, by status": (Kind.REFUSED, 451, openai("Blocked.", type="censorship_blocked")),
    "MiniMax inside a 200": (
        Kind.REFUSED,
        200,
        {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
    ),
    "nobody's words yet": (
        Kind.REFUSED,
        422,
        {"detail": "This text is considered unsafe, see our acceptable use policy."},
    ),
    # ── The answer ────────────────────────────────────────────────────────────────────────────────
    "Groq's tool use": (Kind.MALFORMED, 400, openai(code="tool_use_failed", failed_generation="{")),
    "Anyscale": (Kind.MALFORMED, 400, openai("Could not decode", code="json_decoding_error")),
    "Cerebras": (
        Kind.MALFORMED,
        400,
        {
            "message": "Failed to generate JSON. Please adjust your prompt.",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": "wrong_api_format",
        },
    ),
    # ── Pay ───────────────────────────────────────────────────────────────────────────────────────
    "OpenAI's quota by type alone": (Kind.UNPAID, 429, openai(type="insufficient_quota")),
    "OpenAI's hard limit": (Kind.UNPAID, 400, openai(code="billing_hard_limit_reached")),
    "OpenAI's inactive account": (Kind.UNPAID, 429, openai(code="billing_not_active")),
    "Anthropic's balance": (
        Kind.UNPAID,
        400,
        anthropic(
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
        ),
    ),
    "Anthropic's spend limit": (
        Kind.UNPAID,
        400,
        anthropic(
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access in May.",
        ),
    ),
    "xAI's new team": (
        Kind.UNPAID,
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits yet.",
        },
    ),
    "xAI's spending limit": (
        Kind.UNPAID,
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Your team has either used all available credits or reached its monthly"
            " spending limit.",
        },
    ),
    "Moonshot": (
        Kind.UNPAID,
        429,
        openai(
            "Your account org-1 is suspended, please check your plan and billing details",
            type="exceeded_current_quota_error",
        ),
    ),
    "Qwen's arrears": (
        Kind.UNPAID,
        400,
        openai(
            "Access denied, please make sure your account is in good standing.", code="Arrearage"
        ),
    ),
    "Fireworks": (
        Kind.UNPAID,
        412,
        openai("Account x is suspended, possibly due to reaching the monthly spending limit"),
    ),
    "Gemini's prepayment": (
        Kind.UNPAID,
        429,
        google(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"),
    ),
    "OpenRouter's key": (
        Kind.UNPAID,
        403,
        {"error": {"message": "Key limit exceeded (total limit).", "code": 403}},
    ),
    "OpenRouter inside a 200": (
        Kind.UNPAID,
        200,
        {"error": {"message": "Provider returned error", "code": 402}},
    ),
    "LiteLLM's budget": (
        Kind.UNPAID,
        400,
        openai("Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", code="400"),
    ),
    "Zhipu's balance": (
        Kind.UNPAID,
        429,
        {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}},
    ),
    "a gateway of several": (
        Kind.UNPAID,
        403,
        openai("user quota is not enough", code="insufficient_user_quota", type="new_api_error"),
    ),
    # ── The key ───────────────────────────────────────────────────────────────────────────────────
    "OpenAI's key": (Kind.KEYLESS, 401, openai("Incorrect API key", code="invalid_api_key")),
    "OpenAI's closed account": (
        Kind.KEYLESS,
        401,
        openai("The account was closed for violating our policies", code="account_deactivated"),
    ),
    "Gemini's key": (
        Kind.KEYLESS,
        400,
        google(
            400,
            "API key not valid. Please pass a valid API key.",
            "INVALID_ARGUMENT",
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
        ),
    ),
    "xAI's key": (
        Kind.KEYLESS,
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xa***.",
        },
    ),
    "Bedrock's key": (Kind.KEYLESS, 403, {"message": "Authentication failed: API Key is invalid"}),
    "Azure's key": (
        Kind.KEYLESS,
        401,
        {"statusCode": 401, "message": "Access denied due to invalid subscription key."},
    ),
    # ── No room ───────────────────────────────────────────────────────────────────────────────────
    "Qwen's limit a minute": (
        Kind.THROTTLED,
        429,
        openai("Allocated quota exceeded, please increase it.", code="insufficient_quota"),
    ),
    "OpenAI's limit a day, with its advice": (
        Kind.THROTTLED,
        429,
        openai(
            "Rate limit reached for m on requests per day (RPD): Limit 200. You can increase your"
            " limit by adding a payment method to your account.",
            code="rate_limit_exceeded",
        ),
    ),
    "Gemini's free tier": (
        Kind.THROTTLED,
        429,
        google(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "RESOURCE_EXHAUSTED",
        ),
    ),
    "OpenAI's flex tier": (Kind.THROTTLED, 429, openai(code="resource_unavailable")),
    "Groq's flex tier": (Kind.THROTTLED, 498, openai(code="capacity_exceeded")),
    "Mistral's tier": (
        Kind.THROTTLED,
        429,
        {"message": "Service tier capacity exceeded.", "type": "service_tier_capacity_exceeded"},
    ),
    "Anthropic's overload": (Kind.THROTTLED, 529, anthropic("overloaded_error", "Overloaded")),
    "Gemini's overload": (
        Kind.THROTTLED,
        503,
        google(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"),
    ),
    "Moonshot's overload": (
        Kind.THROTTLED,
        429,
        openai("The engine is currently overloaded", type="engine_overloaded_error"),
    ),
    "Ollama's queue": (
        Kind.THROTTLED,
        503,
        {"error": "server busy, please try again. maximum pending requests exceeded"},
    ),
    "a model that is loading": (
        Kind.THROTTLED,
        503,
        {"error": "Model x is currently loading", "estimated_time": 20.0},
    ),
    "Bedrock's throttle": (Kind.THROTTLED, 400, {"__type": "x", "code": "ThrottlingException"}),
    "Azure's gateway": (
        Kind.THROTTLED,
        429,
        {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 26 seconds."},
    ),
    "a full upstream inside a 200": (
        Kind.THROTTLED,
        200,
        {"error": {"message": "upstream is over capacity", "code": "upstream_error"}},
    ),
    "a proxy's page": (Kind.THROTTLED, 429, None),
    # ── Our parameter ─────────────────────────────────────────────────────────────────────────────
    "OpenAI's cap": (
        Kind.PARAMETER,
        400,
        openai("Unsupported parameter", code="unsupported_parameter", param="max_tokens"),
    ),
    "OpenAI's temperature": (
        Kind.PARAMETER,
        400,
        openai("Only the default (1) value is supported", code="x", param="temperature"),
    ),
    "Mistral's seed": (
        Kind.PARAMETER,
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "input": 7}]},
    ),
    "LM Studio's format": (
        Kind.PARAMETER,
        400,
        {"error": "'response_format.type' must be 'json_schema' or 'text'"},
    ),
    "Groq's effort": (
        Kind.PARAMETER,
        400,
        openai("`reasoning_effort` is not supported with this model"),
    ),
    "Gemini's unknown name": (
        Kind.PARAMETER,
        400,
        google(400, 'Unknown name "seed": Cannot find field.', "INVALID_ARGUMENT"),
    ),
    "Together's cap": (
        Kind.PARAMETER,
        403,
        openai("Input token count + `max_tokens` must be less than the context length"),
    ),
    "llama.cpp's context": (
        Kind.PARAMETER,
        400,
        openai("the request exceeds the context", type="exceed_context_size_error"),
    ),
    # ── The operator's ────────────────────────────────────────────────────────────────────────────
    "an unknown model": (Kind.MISCONFIGURED, 404, openai(code="model_not_found")),
    "Azure's deployment": (Kind.MISCONFIGURED, 404, openai(code="DeploymentNotFound")),
    "OpenRouter's routing": (
        Kind.MISCONFIGURED,
        404,
        {"error": {"message": "No endpoints found matching your data policy", "code": 404}},
    ),
    "a model without access": (Kind.MISCONFIGURED, 403, openai("No access to model m")),
    "a country": (Kind.MISCONFIGURED, 403, openai(code="unsupported_country_region_territory")),
    "one request of more than a minute": (
        Kind.MISCONFIGURED,
        413,
        openai("Request too large on tokens per minute", code="rate_limit_exceeded"),
    ),
    "a retired model": (Kind.MISCONFIGURED, 410, {"message": "gone"}),
    "nobody's 400 yet": (Kind.MISCONFIGURED, 400, {"oops": True}),
    # ── It may pass ───────────────────────────────────────────────────────────────────────────────
    "a 500": (Kind.DOWN, 500, openai("The server had an error", type="server_error")),
    "a proxy's 502": (Kind.DOWN, 502, None),
    "a proxy's 524": (Kind.DOWN, 524, None),
    "Bedrock's model": (Kind.DOWN, 424, {"message": "The model returned an error"}),
    "a conflict": (Kind.DOWN, 409, openai()),
    "an upstream that died inside a 200": (
        Kind.DOWN,
        200,
        {"error": {"message": "x", "code": 502}},
    ),
    "an error of few words inside a 200": (Kind.DOWN, 200, {"error": "unknown"}),
}


def wrong_kinds(
    read: Callable[..., Any] = error_bodies.read, tell: Callable[..., Kind] = kind_of
) -> list[str]:
    """The situations that are taken for another kind."""
    return [name for name, (kind, status, body) in SAID.items() if tell(read(status, body)) != kind]


@pytest.mark.parametrize(("kind", "status", "body"), SAID.values(), ids=SAID.keys())
def test_what_an_endpoint_says_is_told_apart(kind: Kind, status: int, body: Any) -> None:
    assert kind_of(error_bodies.read(status, body)) is kind


def test_every_row_of_the_table_is_needed_and_names_its_source() -> None:
    bodies = [(status, body) for _, status, body in SAID.values()] + [(402, None), (401, None)]
    said = [error_bodies.read(status, body) for status, body in bodies]
    used = [id(next(row for row in ROWS if row.matches(each))) for each in said]
    assert [row for row in ROWS if id(row) not in used or not row.source] == []


@pytest.mark.parametrize("status", range(300, 600))
def test_there_is_a_kind_for_every_status_and_a_body_of_any_form(status: int) -> None:
    bodies: list[Any] = [None, [], {}, "text", [[[[]]]], {"error": None}, {"error": [1, True]}, 5]
    for body in bodies:
        kind = kind_of(error_bodies.read(status, body))
        assert (kind is Kind.DOWN) == (
            status not in (402, 401, 413, 429, 451, 498, 529)
            and (status not in range(400, 500) or status in (408, 409, 424, 425, 499))
        )


def test_what_a_body_quotes_of_the_request_or_the_answer_says_nothing() -> None:
    """A user may write of policies and credit."""
    words = "this violates our content policy, the balance is insufficient, overloaded"
    quoting = {
        "detail": [{"type": "x", "loc": ["body", "user"], "msg": "wrong", "input": words}],
        "failed_generation": words,
        "prompt": words,
        "messages": [{"role": "user", "content": words}],
    }
    assert kind_of(error_bodies.read(400, quoting)) is Kind.MISCONFIGURED


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (openai(param="max_tokens"), "max_tokens"),
        (openai(param="response_format.json_schema.schema"), "response_format.json_schema.schema"),
        ({"detail": [{"loc": ["body", "random_seed"], "msg": "no"}]}, "random_seed"),
        (openai("`chat_template_kwargs` is unknown"), "chat_template_kwargs"),
        (openai("unknown field 'my_own'"), "my_own"),  # one of the rung's extra body
        (openai("max_completion_tokens is not max_tokens"), "max_completion_tokens"),
        (openai("a model of its own, with a seed"), None),  # words, not names
        (openai(param="tofu and 두부"), None),
        (openai(param="tofu"), None),
        (openai(param="messages"), None),
        (openai(param="max_tokens; tofu"), None),
        (openai(param=["tofu"]), None),
    ],
)
def test_a_refused_parameter_has_its_name_only_if_it_is_one_of_ours(body: Any, name: str) -> None:
    assert error_bodies.read(400, body, ["my_own", "random_seed"]).parameter == name


def test_a_body_without_end_is_read_to_a_certain_depth() -> None:
    body: Any = {"message": "deep"}
    for _ in range(500):
        body = {"error": body}
    assert error_bodies.read(400, body).text == ""
    assert (
        len(error_bodies.read(400, openai("x" * 10**6)).text)
        <= error_bodies.MAX_TEXT_CHARACTERS + 20
    )


# --- What becomes of a job ------------------------------------------------------------------------

ENDS = {
    Kind.REFUSED: ("refused", 0),
    Kind.MALFORMED: ("invalid_output", 0),
    Kind.UNPAID: ("model_unavailable", 1),
    Kind.KEYLESS: ("model_unavailable", 1),
    Kind.PARAMETER: ("model_unavailable", 1),
    Kind.MISCONFIGURED: ("model_unavailable", 1),
    Kind.THROTTLED: ("model_unavailable", 0),
    Kind.DOWN: ("model_unavailable", 0),
}
SECRET = "Nobody may read of 두부 here"


@pytest.mark.enable_socket
@pytest.mark.parametrize(("kind", "status", "body"), SAID.values(), ids=SAID.keys())
def test_a_job_ends_by_the_kind_and_an_operator_hears_of_his_own(
    cloud: Cloud,
    clock: Clock,
    records: list[logging.LogRecord],
    kind: Kind,
    status: int,
    body: Any,
) -> None:
    if isinstance(body, dict):
        body = {**body, "failed_generation": SECRET, "request": SECRET}
    said = Reply("<html>no</html>" if body is None else body, status)
    with Endpoints([in_turn([said])]) as server:
        played = Player(Workshop(cloud, clock), records, server, [{"model": "m"}]).play()
    assert (played.ended, len(played.alarms)) == ENDS[kind]
    assert bool(played.delays) == (kind in (Kind.THROTTLED, Kind.DOWN)), "only these are waited for"
    assert {len(calls) for calls in played.calls} == {
        1 + len(played.delays) + (kind == "malformed")
    }
    for line in played.lines:
        assert re.fullmatch("[a-z ]{1,30}( [0-9]{3})?", line["ending"])
    logged = str([vars(record) for record in records])
    assert [word for word in (SECRET, "suspended", "credit balance") if word in logged] == []


@pytest.mark.enable_socket
def test_a_refused_parameter_is_named_in_the_operators_line(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord]
) -> None:
    said = Reply(openai("Unsupported value", param="seed"), 400)
    with Endpoints([in_turn([said])]) as server:
        ladder = [{"model": "m", "seed": 7}]
        played = Player(Workshop(cloud, clock), records, server, ladder).play()
    [line] = played.alarms
    assert (line["parameter"], line["rung"], line["model"]) == ("seed", 1, "m")
    assert line["ending"] == "parameter refused 400"
