"""An endpoint for each preset that behaves as its vendor's documents say, in what it refuses too.

The documents are those of docs/providers.md.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.worker.fakes import VALID
from tests.unit.worker.playing import Call, Endpoint, Reply

KEY_OF_THE_SECRET = "sk-very-secret-0123456789"
COMMON = {"model", "messages", "response_format", "temperature"}
OPENAI_FIELDS = {*COMMON, "max_completion_tokens", "max_tokens", "reasoning_effort", "seed"}


def openai_error(message: str = "m", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


def openai_refuses(name: str) -> Reply:
    error = openai_error(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    return Reply(error, 400)


def plain_usage() -> dict[str, Any]:
    return {"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 500}


THROTTLE = Reply(openai_error(code="rate_limit_exceeded"), 429, {"Retry-After": "9"})
NO_CREDIT = Reply(openai_error(code="insufficient_quota"), 429)


@dataclass(frozen=True)
class Vendor:
    """What is sent must be right for it to answer; then it may throttle, refuse or bill its way."""

    cap: str  # the field it reads; others are refused, or not there for it
    fields: set[str]
    rung: Mapping[str, Any] = field(default_factory=dict)  # what the operator must add
    path: str = "/v1"
    formats: tuple[str | None, ...] = ("json_schema", "json_object", None)
    key_header: str | None = "Authorization"
    query: Mapping[str, str] = field(default_factory=dict)
    refuses: Callable[[str], Reply] = openai_refuses
    demands: Callable[[Call], Reply | None] = lambda call: None
    throttle: Reply = THROTTLE
    throttle_seconds: int = 9
    refusal: Reply | None = None  # none: in its completion, as `content_filter`
    no_credit: Reply = NO_CREDIT
    usage: Callable[[], dict[str, Any] | None] = plain_usage
    billed: tuple[int, int, int] = (400, 0, 100)  # input, cached, output
    finish_reason: str | None = "stop"
    wraps: Callable[[str], dict[str, Any]] = lambda text: {"content": text}
    largest_cap: int = 10**6

    def answers(self, text: str = VALID, **changes: Any) -> Reply:
        message = {"role": "assistant", **self.wraps(text), **changes.pop("message", {})}
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": message, **changes}
        return Reply({"object": "chat.completion", "choices": [choice], "usage": self.usage()})

    def refused(self) -> Reply:
        return self.refusal or self.answers("", finish_reason="content_filter")

    def endpoint(self, *replies: Reply) -> Endpoint:
        """Answers in turn, and with the last for ever, whatever is sent right."""
        left = list(replies)

        def answer(call: Call) -> Reply:
            wrong = self._wrong(call)
            if wrong is not None:
                return wrong
            return left.pop(0) if len(left) > 1 else left[0]

        return answer

    def _wrong(self, call: Call) -> Reply | None:
        body = call.body
        if call.path != f"{self.path.strip('/')}/chat/completions".lstrip("/"):
            return Reply("<html>404 page not found</html>", 404)
        if any(call.query.get(name) != value for name, value in self.query.items()):
            return Reply({"error": {"code": "404", "message": "Resource not found"}}, 404)
        sent_in = [name for name, value in call.headers.items() if KEY_OF_THE_SECRET in value]
        if [name.lower() for name in sent_in] != [n.lower() for n in (self.key_header,) if n]:
            return Reply(openai_error("key", code="invalid_api_key"), 401)
        for name in body:
            if name not in self.fields:
                return self.refuses(name)
        kind = (body.get("response_format") or {}).get("type")
        if kind not in self.formats:
            error = openai_error("This response_format type is unavailable now", type="x")
            return Reply(error, 400)
        if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
            return Reply(openai_error("'messages' must contain the word 'json'"), 400)
        cap = body.get(self.cap)
        if cap is None:  # the model writes on and on
            return Reply({"choices": [], "error": {"code": 504, "message": "never ends"}}, 504)
        if cap > self.largest_cap:
            error = openai_error(f"Requests with {self.cap} > {self.largest_cap}", param=self.cap)
            return Reply(error, 400)
        return self.demands(call)


def _mistral_refuses(name: str) -> Reply:
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs"}]
    return Reply({"object": "error", "message": {"detail": detail}, "type": "x"}, 422)


def _google(status: int, message: str, word: str, **detail: Any) -> Reply:
    error = {"code": status, "message": message, "status": word, "details": [detail]}
    return Reply([{"error": error}], status)


def _google_refuses(name: str) -> Reply:
    return _google(400, f'Unknown name "{name}": Cannot find field.', "INVALID_ARGUMENT")


def _qwen_demands(call: Call) -> Reply | None:
    if call.body.get("enable_thinking") is False:
        return None
    text = "parameter.enable_thinking must be set to false for non-streaming calls"
    return Reply(openai_error(text, code="invalid_parameter_error"), 400)


def _not_thinking(call: Call) -> Reply | None:
    """Thinking eats the cap."""
    if call.body.get("thinking") == {"type": "disabled"}:
        return None
    choice = {"finish_reason": "length", "message": {"content": ""}}
    return Reply({"choices": [choice], "usage": plain_usage()})


def _anthropic_demands(call: Call) -> Reply | None:
    """It ignores `response_format`: without the schema in the prompt, it cannot know it."""
    if "JSON schema" in str(call.body["messages"][0]):
        return None
    return Reply({"choices": [{"finish_reason": "stop", "message": {"content": "Sure!"}}]})


def _openrouter_demands(call: Call) -> Reply | None:
    """Else it may route to where the schema is ignored."""
    if call.body.get("provider", {}).get("require_parameters"):
        return None
    return Reply({"choices": [{"finish_reason": "stop", "message": {"content": "Sure!"}}]})


_FLAGGED = {"reasons": ["violence"], "flagged_input": "…", "provider_name": "OpenAI"}
_REASONED_APART = {
    "prompt_tokens": 400,
    "completion_tokens": 100,
    "total_tokens": 800,
    "completion_tokens_details": {"reasoning_tokens": 300},
}
_AZURE_FILTER = openai_error(
    "The response was filtered",
    code="content_filter",
    param="prompt",
    innererror={"code": "ResponsibleAIPolicyViolation"},
)
_SELF_HOSTED_FIELDS = {*OPENAI_FIELDS, "chat_template_kwargs"}

VENDORS: dict[str, Vendor] = {
    "openai": Vendor(
        cap="max_completion_tokens",
        fields={*OPENAI_FIELDS, "service_tier", "prompt_cache_key"} - {"max_tokens"},
        refusal=Reply(openai_error("flagged", code="invalid_prompt"), 400),
        throttle=Reply(openai_error("Please try again in 12.5s."), 429),
        throttle_seconds=13,
        usage=lambda: {**plain_usage(), "prompt_tokens_details": {"cached_tokens": 300}},
        billed=(400, 300, 100),
    ),
    "azure": Vendor(
        cap="max_completion_tokens",
        fields=OPENAI_FIELDS - {"max_tokens"},
        path="/openai/v1",
        refusal=Reply(_AZURE_FILTER, 400),
        throttle=Reply(openai_error(code="429"), 429, {"retry-after-ms": "11000"}),
        throttle_seconds=11,
    ),
    "azure-classic": Vendor(
        cap="max_completion_tokens",
        fields=OPENAI_FIELDS - {"max_tokens"},
        path="/openai/deployments/mine",
        key_header="api-key",
        query={"api-version": "2024-10-21"},
        refusal=Reply(_AZURE_FILTER, 400),
        throttle=Reply({"statusCode": 429, "message": "Try again in 26 seconds."}, 429),
        throttle_seconds=26,
    ),
    "anthropic": Vendor(
        cap="max_tokens",
        fields={*OPENAI_FIELDS, "thinking"},
        demands=_anthropic_demands,
        refusal=Reply(
            {
                "type": "error",
                "error": {"type": "x", "message": "Output blocked by content filtering"},
            },
            400,
        ),
        no_credit=Reply(
            {"error": {"type": "x", "message": "Your credit balance is too low to access it."}}, 400
        ),
        throttle=Reply({"error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        throttle_seconds=3,
    ),
    "gemini": Vendor(
        cap="max_completion_tokens",
        fields=OPENAI_FIELDS,
        path="/v1beta/openai",
        refuses=_google_refuses,
        refusal=None,
        throttle=_google(429, "Quota exceeded.", "RESOURCE_EXHAUSTED", retryDelay="36s"),
        throttle_seconds=36,
        no_credit=_google(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"),
        usage=lambda: {"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 800},
        billed=(400, 0, 400),
    ),
    "mistral": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "random_seed", "reasoning_effort", "prompt_mode"},
        refuses=_mistral_refuses,
        throttle=Reply({"message": "Requests rate limit exceeded"}, 429),
        throttle_seconds=3,
        no_credit=Reply({"message": "Payment required", "code": "x"}, 402),
        wraps=lambda text: {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": text},
            ]
        },
    ),
    "groq": Vendor(
        cap="max_completion_tokens",
        fields={*OPENAI_FIELDS, "service_tier", "reasoning_format"} - {"max_tokens"},
        path="/openai/v1",
        throttle=Reply(openai_error("Please try again in 1m2.5s."), 429),
        throttle_seconds=63,
        no_credit=Reply(openai_error(code="blocked_api_access", message="spending limit"), 400),
    ),
    "deepseek": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "thinking"},
        path="",
        formats=("json_object", None),
        demands=_not_thinking,
        largest_cap=8192,
        refusal=Reply(openai_error("Content Exists Risk", code="invalid_request_error"), 400),
        throttle=Reply(openai_error("The server is overloaded"), 503),
        throttle_seconds=3,
        no_credit=Reply(openai_error("Insufficient Balance", code="invalid_request_error"), 402),
        usage=lambda: {**plain_usage(), "prompt_cache_hit_tokens": 384},
        billed=(400, 384, 100),
    ),
    "xai": Vendor(
        cap="max_completion_tokens",
        fields=OPENAI_FIELDS - {"max_tokens"},
        refusal=Reply({"code": "x", "error": "Content violates usage guidelines."}, 403),
        no_credit=Reply({"code": "x", "error": "used all available credits or"}, 403),
        usage=lambda: _REASONED_APART,
        billed=(400, 0, 400),
    ),
    "openrouter": Vendor(
        cap="max_tokens",
        fields={*OPENAI_FIELDS, "provider", "reasoning"},
        path="/api/v1",
        demands=_openrouter_demands,
        refusal=Reply({"error": {"code": 403, "message": "no", "metadata": _FLAGGED}}, 403),
        throttle=Reply({"choices": None, "error": {"code": 429, "message": "upstream"}}),
        throttle_seconds=3,
        no_credit=Reply({"error": {"code": 402, "message": "Insufficient credits"}}, 402),
    ),
    "qwen": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "seed", "enable_thinking", "thinking_budget"},
        path="/compatible-mode/v1",
        formats=("json_object", None),
        demands=_qwen_demands,
        refusal=Reply(openai_error("inappropriate", code="data_inspection_failed"), 400),
        throttle=Reply(
            openai_error("Allocated quota exceeded, please increase", code="insufficient_quota"),
            429,
        ),
        throttle_seconds=3,
        no_credit=Reply(openai_error("good standing", code="Arrearage"), 400),
    ),
    "moonshot": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "thinking"},
        formats=("json_object", None),
        demands=_not_thinking,
        refusal=Reply(openai_error("considered high risk", type="content_filter"), 400),
        throttle=Reply(openai_error("overloaded", type="engine_overloaded_error"), 429),
        throttle_seconds=3,
        no_credit=Reply(openai_error(type="exceeded_current_quota_error"), 429),
        usage=lambda: {**plain_usage(), "cached_tokens": 256},
        billed=(400, 256, 100),
    ),
    "fireworks": Vendor(
        cap="max_tokens",
        fields=OPENAI_FIELDS - {"max_completion_tokens"},
        path="/inference/v1",
        largest_cap=4096,
        no_credit=Reply(openai_error("Account x is suspended, spending limit"), 412),
    ),
    "together": Vendor(
        cap="max_tokens",
        fields={*OPENAI_FIELDS, "reasoning"} - {"max_completion_tokens"},
        finish_reason="eos",
        no_credit=Reply(openai_error("Payment"), 402),
    ),
    "vllm": Vendor(
        cap="max_tokens",
        fields=_SELF_HOSTED_FIELDS,
        key_header=None,
        wraps=lambda text: {"content": f"<think>\nHm.\n</think>\n\n{text}"},
        throttle=Reply(
            "<html>503 Service Temporarily Unavailable</html>", 503, {"Retry-After": "9"}
        ),
    ),
    "ollama": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "seed", "reasoning_effort"},
        key_header=None,
        throttle=Reply({"error": "server busy, please try again."}, 503),
        throttle_seconds=3,
        usage=lambda: {**plain_usage(), "total_tokens": 500},
    ),
    "llamacpp": Vendor(
        cap="max_tokens",
        fields=_SELF_HOSTED_FIELDS,
        key_header=None,
        throttle=Reply({"error": {"code": 503, "message": "Loading model"}}, 503),
        throttle_seconds=3,
        wraps=lambda text: {"content": text, "reasoning_content": "Hm."},
    ),
    "lmstudio": Vendor(
        cap="max_tokens",
        fields={*COMMON, "max_tokens", "seed"},
        key_header=None,
        formats=("json_schema", None),
        wraps=lambda text: {"content": "", "reasoning_content": text},
    ),
    "litellm": Vendor(
        cap="max_completion_tokens",
        fields=OPENAI_FIELDS,
        path="",
        refusal=Reply(openai_error("litellm.ContentPolicyViolationError", code="400"), 400),
        no_credit=Reply(openai_error("Budget has been exceeded!", type="budget_exceeded"), 400),
        usage=lambda: None,
        billed=(0, 0, 0),
    ),
    "bedrock": Vendor(
        cap="max_completion_tokens",
        fields={*OPENAI_FIELDS} - {"max_tokens", "response_format"},
        path="/openai/v1",
        throttle=Reply({"message": "Too many requests, please wait"}, 429),
        throttle_seconds=3,
        no_credit=Reply({"message": "x", "code": "payment_required"}, 402),
        wraps=lambda text: {"content": f"<reasoning>Hm.</reasoning>{text}"},
    ),
}
