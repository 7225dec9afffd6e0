"""The table that tells errors apart: what an endpoint says, and what it is a case of.

The first row that matches wins. A row matches when the status is among its statuses (none: any),
and one of its codes is among those the error names, or its text is found in the error's words
(neither: always). Each names its source. What nobody has seen yet falls to the rows at the end:
a 4xx is the operator's, anything else may pass.

Looked up on 2026-11-25; docs/providers.md says which endpoint speaks which dialect.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from providers.error_bodies import Said
from providers.outcomes import Ending


class Kind(StrEnum):
    """The kinds of errors, in the words of the log."""

    REFUSED = "refused"  # this prompt, by a filter or a policy
    MALFORMED = "malformed"  # this answer: the same call may succeed
    THROTTLED = "no room"
    UNPAID = "out of credit"
    KEYLESS = "key refused"
    PARAMETER = "parameter refused"
    MISCONFIGURED = "misconfigured"  # another thing of the operator's: model, address, rights
    DOWN = "status"  # it may pass


_ANY = range(1000)
_4XX = range(400, 500)
_5XX = range(500, 600)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    kind: Kind
    source: str
    statuses: Container[int] = _ANY
    codes: str = ""
    text: str = ""

    def matches(self, said: Said) -> bool:
        if said.status not in self.statuses:
            return False
        if not self.codes and not self.text:
            return True
        has_code = not said.codes.isdisjoint(self.codes.split())
        return has_code or bool(self.text and re.search(self.text, said.text, re.IGNORECASE))


ROWS = (
    # ── This prompt ───────────────────────────────────────────────────────────────────────────────
    Row(
        Kind.REFUSED,
        "OpenAI, Azure, Qwen, Moonshot, Volcengine, Bedrock; OpenRouter's `metadata`",
        codes="content_filter content_policy_violation contentpolicyviolationerror invalid_prompt"
        " responsibleaipolicyviolation responsible_ai_policy_violation moderation_blocked"
        " content_moderation_failed datainspectionfailed data_inspection_failed safety_error"
        " content_filter_error sensitivecontentdetected inputtextsensitivecontentdetected"
        " guardrail_intervened flagged_input content_violation prompt_blocked blocked_prompt",
    ),
    # ── The answer ────────────────────────────────────────────────────────────────────────────────
    Row(
        Kind.MALFORMED,
        "Groq: json_validate_failed, tool_use_failed; Anyscale: json_decoding_error",
        codes="json_validate_failed json_decoding_error tool_use_failed output_parse_failed"
        " invalid_generation structured_output_validation_failed",
        text=r"(failed|unable) to (generate|produce|parse|decode)[\w ]{0,20} ?json"
        r"|generated json"
        r"|(model|generation|output|response)[\w ]{0,30}(not|in)[\w ]{0,8}valid json",
    ),
    # ── The account ───────────────────────────────────────────────────────────────────────────────
    Row(
        Kind.THROTTLED,
        "Qwen: its `insufficient_quota` is also a limit a minute; OpenAI's advice on payment",
        {429},
        text=r"allocated quota exceeded|per[ -](min(ute)?|day|hour|sec(ond)?)\b"
        r"|rate[ _-]?limit (of|reached)",
    ),
    Row(Kind.UNPAID, "DeepSeek, OpenRouter, Together, Fireworks, Anthropic", {402}),
    Row(
        Kind.UNPAID,
        "OpenAI, Azure, Moonshot, Qwen (Arrearage), Volcengine, LiteLLM; in a 429, 400 or 403",
        codes="insufficient_quota billing_hard_limit_reached billing_not_active billing_error"
        " exceeded_current_quota_error insufficient_balance insufficient_credits arrearage"
        " insufficient_user_quota payment_required account_overdue accountoverdueerror"
        " budget_exceeded out_of_credits quota_exceeded_billing credit_balance_too_low",
    ),
    Row(
        Kind.UNPAID,
        "in words: Anthropic 400, xAI 403, OpenRouter 403, Fireworks 412, Gemini 429, Zhipu",
        _4XX,
        text=r"(insufficient|not enough|\bno\b|\blow\b|zero|negative|depleted|exhausted|out of"
        r"|used all)[\w ']{0,30}\b(balance|credit|fund)"
        r"|(balance|credit|fund)s?\b[\w ']{0,30}(too low|insufficient|depleted|exhausted"
        r"|not enough|run out|used up|below zero)"
        r"|(doesn't|does not|don't) have (any|enough|sufficient)[\w ]{0,20}(credit|balance|fund)"
        r"|key limit exceeded|spending (limit|cap)|hard limit|budget (has been |was )?exceeded"
        r"|payment required|unpaid|overdue|in arrears"
        r"|billing[\w ]{0,20}(not active|inactive|disabled|suspended)"
        r"|余额|欠费|充值",
    ),
    Row(
        Kind.UNPAID,
        "Anthropic 400 (its spend limits), Kimi 403",
        {400, 403},
        text=r"usage limits?\b.{0,40}(billing|regain|month)|specified api usage limit",
    ),
    Row(
        Kind.KEYLESS,
        "OpenAI 401, Anthropic, Mistral, Gemini 400 (API_KEY_INVALID), DashScope",
        _4XX,
        codes="invalid_api_key incorrect_api_key_error invalid_authentication_error api_key_invalid"
        " authentication_error account_deactivated invalidapikey unauthenticated"
        " unrecognizedclientexception invalid_authentication",
        text=r"(account|organi[sz]ation|workspace|project|api[ -]?key|token)\b[\w ']{0,40}"
        r"(suspend|disabled|deactivat|banned|blocked|terminat|revoked|expired|invalid|not valid)"
        r"|(invalid|incorrect|missing|wrong|no) (api[ -]?key|credential|token\b)",
    ),
    Row(Kind.KEYLESS, "all", {401}),
    # ── No room ───────────────────────────────────────────────────────────────────────────────────
    Row(Kind.MISCONFIGURED, "Groq: more tokens in one request than a minute has", {413}),
    Row(Kind.THROTTLED, "429 everywhere; 498 Groq's flex tier; 529 Anthropic", {429, 498, 529}),
    Row(
        Kind.THROTTLED,
        "Moonshot, Mistral (capacity), Gemini, Bedrock, OpenAI's flex tier, in other statuses",
        codes="rate_limit_exceeded rate_limit_error rate_limit_reached_error too_many_requests"
        " ratelimitexceeded engine_overloaded_error overloaded_error overloaded model_overloaded"
        " serveroverloaded resource_exhausted resource_unavailable throttlingexception throttling"
        " throttling.ratequota throttling.allocationquota modelnotreadyexception slow_down"
        " service_tier_capacity_exceeded capacity_exceeded server_busy queue_full",
    ),
    Row(
        Kind.THROTTLED,
        "llama.cpp (loading), Ollama (busy), DeepSeek 503, llama-swap, vLLM; gateways in a 200",
        {200, *_5XX},
        text=r"over-?load|too many requests|rate.?limit|capacity|server (is )?busy"
        r"|high (demand|load)|loading|warming up|still starting|queue (is )?full|pending requests"
        r"|throttl|限流|过载|繁忙|频繁",
    ),
    # ── This prompt, in words ─────────────────────────────────────────────────────────────────────
    Row(
        Kind.REFUSED,
        "xAI 403 (usage guidelines), OpenRouter 403 (moderation), LiteLLM 400, Gemini, Zhipu",
        {200, 400, 403, 406, 412, 422, 451, *_5XX},
        text=r"(content|usage|safety|acceptable.use|moderation|responsible.?(use|ai))[\w ]{0,12}"
        r"(polic|guideline|filter|check|system|rule|management|reason|violation)"
        r"|(polic|guideline|terms)\w{0,8}[\w ,']{0,25}(violat|breach)"
        r"|(violat|breach|against)\w{0,8}[\w ,']{0,40}(polic|guideline|terms)"
        r"|moderat(ed|ion)|flagged|guardrail|high risk|content exists risk"
        r"|(inappropriate|harmful|unsafe|offensive|disallowed|prohibited|sensitive|objectionable)"
        r"[\w -]{0,20}(content|input|prompt|text|request|material|words?|information|data|topic)"
        r"|(prompt|input|content|text|completion)s?\b[\w '\"]{0,30}"
        r"(blocked|filtered|unsafe|sensitive|inappropriate|harmful)"
        r"|敏感|违规|违法|不安全|不合规|内容安全",
    ),
    Row(Kind.REFUSED, "RFC 7725: unavailable for legal reasons", {451}),
    # ── The operator's ────────────────────────────────────────────────────────────────────────────
    Row(
        Kind.PARAMETER,
        "OpenAI, Mistral (extra_forbidden), Qwen, llama.cpp, vLLM; Together's 403 for the cap",
        {400, 403, 422},
        codes="unsupported_parameter unknown_parameter unsupported_value invalid_parameter_error"
        " extra_forbidden invalidparameter context_length_exceeded exceed_context_size_error"
        " max_tokens_exceeded token_limit_exceeded integer_above_max_value",
        text=r"\bparameter named\b",  # the reader's own word: see `Said.text`
    ),
    # ── What nobody has seen yet ──────────────────────────────────────────────────────────────────
    Row(
        Kind.DOWN, "408, 409, 424 (Bedrock: the model failed), 425, 499", {408, 409, 424, 425, 499}
    ),
    Row(
        Kind.MISCONFIGURED,
        "403 of any other kind; 404: model or address; 400, 410 and the rest",
        _4XX,
    ),
    Row(Kind.DOWN, "5xx, and an error of any other status"),
)


def kind_of(said: Said) -> Kind:
    """The kind of the error."""
    return next(row.kind for row in ROWS if row.matches(said))


_ENDS: Mapping[Ending, tuple[str, ...]] = {
    # OpenAI; Together (eos); TGI; Anthropic and Bedrock natively; Cohere.
    "stop": (
        *("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"),
        *("tool_calls", "function_call"),
    ),
    # OpenAI; Gemini and Anthropic natively; Mistral; z.ai.
    "truncated": (
        *("length", "max_tokens", "max_output_tokens", "model_length"),
        "model_context_window_exceeded",
    ),
    # OpenAI and Azure; z.ai; Gemini natively; Anthropic; Bedrock.
    "refused": (
        *("content_filter", "content_filtered", "sensitive", "safety", "refusal", "recitation"),
        *("blocklist", "spii", "prohibited_content", "guardrail_intervened"),
    ),
}
# How models stop, as vendors say it; in small letters. Any other word is no clean end.
ENDINGS = {word: ending for ending, words in _ENDS.items() for word in words}
