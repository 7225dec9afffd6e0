"""Reads the body of an error, in its many forms.

An error may quote the prompt, the answer or the key. So what is read here is only looked at, never
kept: what leaves is a status, codes that the table of kinds knows, and a parameter's name if it is
one that endpoints have.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 8
MAX_TEXT_CHARACTERS = 4000

_CODES = (
    *("code", "type", "status", "reason", "error_code", "errorcode", "error_type"),
    "status_code",
)
_TEXTS = (
    *("message", "msg", "error", "errors", "detail", "details", "title", "reason", "reasons"),
    *("status_msg", "error_msg", "error_message", "description", "raw", "type", "code"),
)
# What quotes the request, or what came of it.
_QUOTES = (
    *("failed_generation", "input", "inputs", "prompt", "messages", "content", "choices", "ctx"),
    *("request", "body", "url", "user_id"),
)
# A key whose mere presence says something (OpenRouter's moderation).
_MARKS = ("flagged_input",)

# What a request may hold besides its messages; a name outside is never repeated.
PARAMETERS = (
    *("max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens"),
    *("response_format", "prompt_cache_key", "reasoning_effort", "reasoning_format", "reasoning"),
    *("chat_template_kwargs", "enable_thinking", "thinking_budget", "thinking", "service_tier"),
    *("temperature", "top_p", "top_k", "seed", "stream_options", "stream", "provider", "model"),
    *("json_schema", "json_object", "messages", "safety_identifier", "store", "think", "num_ctx"),
)
PARAMETER_NAME = re.compile(r"^[A-Za-z_.\[\]0-9]{1,60}$")


@dataclass(frozen=True, slots=True)
class Said:
    """An error as it was said. `text` is for the table's patterns alone, and ends in "parameter
    named" where one was found."""

    status: int
    codes: frozenset[str]
    text: str
    parameter: str | None = None


def read(status: int, body: Any, sent: Iterable[str] = ()) -> Said:
    """The error in a body of whatever form; `sent` are the fields of our request.

    A body inside a 200 has its status in its code, if anywhere.
    """
    codes: set[str] = set()
    texts: list[str] = []
    named: list[str] = []
    for key, value in _leaves(body):
        word = str(value)
        if key in _CODES:
            codes.add(word.strip().lower())
        if key in _MARKS:
            codes.add(key)
        if key in ("param", "loc", "parameter"):
            named.append(word)
        elif key in _TEXTS:
            texts.append(word)
    if status == 200:
        inner = [int(code) for code in codes if re.fullmatch("[45][0-9]{2}", code)]
        status = inner[0] if inner else status
    text = " ".join(texts)[:MAX_TEXT_CHARACTERS]
    parameter = _parameter(named, text, {*PARAMETERS, *sent})
    if parameter:
        text += " parameter named"
    return Said(status, frozenset(codes), text, parameter)


def _leaves(node: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each string and number of a document with the key that it, or its list, stands at."""
    if depth > MAX_DEPTH:
        return
    match node:
        case Mapping():
            for name, child in node.items():
                name = str(name).lower()
                if name in _MARKS:
                    yield name, ""
                elif name not in _QUOTES:
                    yield from _leaves(child, name, depth + 1)
        case list():
            for child in node:
                yield from _leaves(child, key, depth + 1)
        case str() | int() | float() if not isinstance(node, bool):
            yield key, node


def _parameter(named: list[str], text: str, known: set[str]) -> str | None:
    """The refused parameter's name: where the error names one, else where its words do."""
    for name in reversed(named):  # of ["body", "max_tokens"] the last is the field
        is_known = name.partition(".")[0].partition("[")[0] in known
        if is_known and PARAMETER_NAME.fullmatch(name) and name != "messages":
            return name
    for name in sorted(known, key=len, reverse=True):
        # A name that is also a word counts in quotes only.
        pattern = rf"\b{re.escape(name)}\b" if "_" in name else rf"['\"`.]{re.escape(name)}['\"`.]"
        if name != "messages" and re.search(pattern, text):
            return name
    return None
