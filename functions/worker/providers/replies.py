"""Reads the body of a 200: the answer, the way it ended, and the usage that is billed.

Bodies are read as they may really be, for nothing checks their types on the way. The forms and who
sends them: content in parts (Mistral), reasoning before the text or the text in the reasoning
field (Qwen, gpt-oss, DeepSeek behind vLLM), an error object inside a 200 or on the choice
(OpenRouter and other gateways), `base_resp` (MiniMax).
"""

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from providers import error_bodies
from providers.error_bodies import Said
from providers.kinds import ENDINGS
from providers.outcomes import Answer, Down, Ending
from providers.unwrap import unwrapped, without_reasoning
from simmer.jobs.job import Usage
from simmer.text import strict_json

# A count of tokens above this is a slip of the provider's, and more than DynamoDB can add.
MAX_TOKENS = 10**9
# Of what was written to the cap: from this share of reasoning on, more room buys more of it.
REASONED_AWAY = 0.9
# Writing that goes in a circle packs to next to nothing; prose packs to about half.
LOOP_CHARACTERS, LOOP_PACKED_BYTES = 600, 70


class ErrorInside(Exception):
    """The 200 holds an error; `said` is for the table of kinds, `usage` what it says it took."""

    def __init__(self, said: Said, usage: Usage) -> None:
        super().__init__("error inside a 200")
        self.said = said
        self.usage = usage


def read(body: Any, sent: Iterable[str] = (), stop_reasons: Iterable[str] = ()) -> Answer:
    """The answer; `Down` if there is none, `ErrorInside` if the body says why.

    `sent` are the fields of the request, `stop_reasons` more words for a clean end.
    """
    if not isinstance(body, Mapping):
        raise Down("no choices", Usage(calls=1))
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    error = choice.get("error") if isinstance(choice, Mapping) else None
    # Without choices a body may say so itself: MiniMax's `base_resp`, a bare `code`.
    says_so = choice is None and (body.get("base_resp") or body.get("code"))
    if not error and (body.get("error") or says_so):
        error = body
    if error:
        raise ErrorInside(error_bodies.read(200, error, sent), _usage_or_none(body))
    try:
        usage = _usage(body)
    except (TypeError, ValueError, OverflowError):
        raise Down("no choices", Usage(calls=1)) from None
    if not isinstance(choice, Mapping):
        raise Down("no choices", usage)
    return _answer(choice, _ending(choice, stop_reasons, usage), body, usage)


def _answer(
    choice: Mapping[str, Any], ending: Ending, body: Mapping[str, Any], usage: Usage
) -> Answer:
    message = choice.get("message")
    if ending == "refused":
        return Answer("", "refused", usage)
    if not isinstance(message, Mapping):
        raise Down("no choices", usage)
    text = without_reasoning(_text(message.get("content")))
    if ending == "truncated":
        return Answer(text, _cut(text, body, usage), _marked(usage, text))
    if not text.strip():
        text = _document(message.get("reasoning_content")) or _document(message.get("reasoning"))
    if not choice.get("finish_reason") and _is_torn(text):
        raise Down("cut off", usage)  # nobody said that this was the end, and it is none
    return Answer(text, "stop", _marked(usage, text))


def _ending(choice: Mapping[str, Any], more: Iterable[str], usage: Usage) -> Ending:
    message = choice.get("message")
    if isinstance(message, Mapping) and message.get("refusal"):
        return "refused"
    reason = choice.get("finish_reason")
    word = "" if reason is None else str(reason).lower()
    if not word or word in more:
        return "stop"
    word = word.partition(":")[0]  # Gemini: "content_filter: PROHIBITED_CONTENT"
    if word not in ENDINGS:  # an upstream that died, or what no one has told us: not a clean end
        raise Down("unknown end", usage)
    return ENDINGS[word]


def _text(content: Any) -> str:
    """The text of a content, in one piece or in parts; its thoughts are none of it."""
    if isinstance(content, list):
        return "".join(_text(part) for part in content)
    if isinstance(content, Mapping) and content.get("type", "text") in ("text", "output_text"):
        content = content.get("text")
    return content if isinstance(content, str) else ""


def _document(reasoning: Any) -> str:
    """The JSON object that a reasoning field consists of, if it does; else nothing."""
    if not isinstance(reasoning, str) or "{" not in reasoning:
        return ""
    text = unwrapped(reasoning)
    return "" if not text.startswith("{") or _is_torn(text) else text


def _is_torn(text: str) -> bool:
    text = unwrapped(text)
    if not text.startswith(("{", "[")):
        return False
    try:
        strict_json.loads(text)
    except strict_json.NotStrictJson:
        return not text.endswith(("}", "]"))
    return False


def _cut(text: str, body: Mapping[str, Any], usage: Usage) -> Ending:
    """How an answer came to the cap: with too much to say, or in a way that more room will not
    change."""
    reasoned = _tokens(_reasoning_tokens(body.get("usage") or {}))
    is_spent = usage.output_tokens and reasoned >= REASONED_AWAY * usage.output_tokens
    if not text.strip() or is_spent:
        return "exhausted"
    tail = text[-LOOP_CHARACTERS:].encode("utf-8", "replace")
    if len(text) >= LOOP_CHARACTERS and len(zlib.compress(tail)) <= LOOP_PACKED_BYTES:
        return "looping"
    return "truncated"


# --- Usage ----------------------------------------------------------------------------------------


def _usage_or_none(body: Mapping[str, Any]) -> Usage:
    """The usage that a body with an error names; none named is none."""
    try:
        usage = _usage(body)
    except (TypeError, ValueError, OverflowError):
        return Usage()
    return usage if usage.input_tokens or usage.output_tokens else Usage()


def _usage(body: Mapping[str, Any]) -> Usage:
    """As billed. Reasoning that is not among the completion's tokens (xAI, Gemini) is in the total;
    without one it is where more was reasoned than written."""
    used = body.get("usage") or {}
    if not isinstance(used, Mapping):
        raise TypeError("usage")
    asked = _tokens(used.get("prompt_tokens") or used.get("input_tokens"))
    written = _tokens(used.get("completion_tokens") or used.get("output_tokens"))
    total = _tokens(used.get("total_tokens"))
    reasoned = _tokens(_reasoning_tokens(used))
    if total > asked + written:
        # All of it was written, unless nothing is said of the question.
        asked, written = (asked, total - asked) if asked else (total - written, written)
    elif not total and reasoned > written:
        written += reasoned
    cached = _tokens(
        _first(used, "prompt_tokens_details", "input_tokens_details", of="cached_tokens")
        or used.get("cached_tokens")  # Moonshot
        or used.get("prompt_cache_hit_tokens")  # DeepSeek
    )
    return Usage(
        calls=1, input_tokens=asked, cached_input_tokens=min(cached, asked), output_tokens=written
    )


def _reasoning_tokens(used: Mapping[str, Any]) -> Any:
    return _first(used, "completion_tokens_details", "output_tokens_details", of="reasoning_tokens")


def _first(used: Mapping[str, Any], *places: str, of: str) -> Any:
    for place in places:
        details = used.get(place)
        if isinstance(details, Mapping) and details.get(of):
            return details[of]
    return None


def _tokens(count: Any) -> int:
    if isinstance(count, float) and not math.isfinite(count):
        raise ValueError("tokens")
    return min(max(int(count or 0), 0), MAX_TOKENS)


def _marked(usage: Usage, text: str) -> Usage:
    """The usage, marked where nothing was said of a question or an answer that was there."""
    is_told = usage.input_tokens and (usage.output_tokens or not text)
    return usage if is_told else usage + Usage(unreported_calls=1)
