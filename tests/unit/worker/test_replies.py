"""What a 200 holds: answers in every wrapper, ends of every kind, usage as vendors count it."""

import json
import zlib
from typing import Any

import pytest

from answer import InvalidAnswer, validated
from providers import replies
from providers.kinds import Kind, kind_of
from providers.outcomes import Answer, Down
from providers.unwrap import unwrapped, without_reasoning
from simmer.jobs.job import Usage
from simmer.task import find_task
from tests.unit.worker.fakes import REQUEST, VALID
from tests.unit.worker.servers import completion

TASK = find_task("recipe")
FULL = json.loads(VALID)
PRETTY = json.dumps(FULL, indent=2, ensure_ascii=False)
DRAFT = 'First a draft: {"recipes": []} – no, better: <b>two</b> of them.'


def message(content: Any, **fields: Any) -> dict[str, Any]:
    return completion(message={"role": "assistant", "content": content, **fields})


# --- Wrappers -------------------------------------------------------------------------------------

WRAPPED: dict[str, dict[str, Any]] = {
    "as it is": message(VALID),
    "Qwen's thoughts": message(f"<think>\n{DRAFT}\n</think>\n\n{VALID}"),
    "no thoughts, but their tags": message(f"<think>\n\n</think>\n\n{VALID}"),
    "thoughts whose opening tag the template has swallowed": message(f"{DRAFT}\n</think>\n{VALID}"),
    "gpt-oss through Bedrock": message(f"<reasoning>{DRAFT}</reasoning>{VALID}"),
    "tags in capitals": message(f"<Thinking>{DRAFT}</Thinking> {VALID}"),
    "Magistral's own tags": message(f"[THINK]{DRAFT}[/THINK]{VALID}"),
    "Seed's own tags": message(f"<seed:think>{DRAFT}</seed:think>{VALID}"),
    "Kimi's own tags": message(f"◁think▷{DRAFT}◁/think▷{VALID}"),
    "two blocks": message(f"<think>{DRAFT}</think><reflection>ok</reflection>{VALID}"),
    "gpt-oss's channels": message(
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final"
        f" <|constrain|>json<|message|>{VALID}".replace(" <|constrain|>json", "")
    ),
    "a fence": message(f"```json\n{PRETTY}\n```"),
    "thoughts before a fence": message(f"<think>{DRAFT}</think>\n```json\n{PRETTY}\n```"),
    "parts": message([{"type": "text", "text": VALID[:50]}, {"type": "text", "text": VALID[50:]}]),
    "thoughts among the parts": message(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}], "closed": True},
            {"type": "text", "text": VALID},
        ]
    ),
    "reasoning among the parts": message(
        [{"type": "reasoning", "text": DRAFT}, {"type": "output_text", "text": VALID}]
    ),
    "parts that are strings": message([VALID[:9], VALID[9:]]),
    "one part without a list": message({"type": "text", "text": VALID}),
    "the reasoning field, and no content": message(None, reasoning_content=VALID),
    "the reasoning field, and an empty content": message("", reasoning=f"\n{VALID}\n"),
    "a fence in the reasoning field": message(" ", reasoning=f"```json\n{VALID}\n```"),
    "thoughts beside it": message(VALID, reasoning_content=DRAFT, reasoning=DRAFT),
}


@pytest.mark.parametrize("body", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_good_answer_in_a_wrapper_is_a_good_answer(body: dict[str, Any]) -> None:
    answer = replies.read(body)
    assert answer.ending == "stop"
    request = TASK.request_model.model_validate(REQUEST)
    assert json.loads(validated(TASK, request, answer.text)) == FULL
    assert "draft" not in answer.text, "thoughts are no part of what may be quoted"


NO_ANSWERS: dict[str, dict[str, Any]] = {
    "prose before it": message(f"Here it is: {VALID}"),
    "prose after the thoughts": message(f"<think>hm</think>Here it is: {VALID}"),
    "thoughts after it": message(f"{VALID}<think>good</think>"),
    "thoughts alone": message(f"<think>{VALID}"),
    "thoughts alone, and ended": message(f"<think>{VALID}</think>"),
    "a draft in the reasoning field": message(None, reasoning_content=DRAFT),
    "half of it in the reasoning field": message(None, reasoning_content=VALID[:-5]),
    "parts of other kinds": message([{"type": "image_url", "text": VALID}, 5, None]),
    "nothing at all": message(None),
}


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_wrapper_is_not_taken_off(body: dict[str, Any]) -> None:
    request = TASK.request_model.model_validate(REQUEST)
    with pytest.raises(InvalidAnswer):
        validated(TASK, request, replies.read(body).text)


def test_a_tag_within_an_answer_is_the_answers() -> None:
    text = json.dumps({"note": "a </think> in it, and <think>"})
    assert unwrapped(text) == without_reasoning(text) == text


@pytest.mark.parametrize(
    "text", ["<think></think>" * 30_000, "<think>" * 60_000, "</think>" * 9000]
)
def test_tags_without_end_take_no_time(text: str) -> None:
    assert unwrapped(text) in ("", text[8:])


# --- Ends -----------------------------------------------------------------------------------------

TORN = VALID[:-40]


@pytest.mark.parametrize(
    ("reason", "content", "ending"),
    [
        *((reason, VALID, "stop") for reason in ("stop", "STOP", "eos", "eos_token", "end_turn")),
        *((reason, VALID, "stop") for reason in (None, "", "tool_calls", "COMPLETE")),
        (None, "prose", "stop"),  # it is whole, and no JSON: the model's mistake
        (None, VALID[:-1] + ",}", "stop"),  # likewise
        *((reason, TORN, "truncated") for reason in ("length", "MAX_TOKENS", "model_length")),
        ("model_context_window_exceeded", TORN, "truncated"),
        *((reason, VALID, "refused") for reason in ("content_filter", "SAFETY", "sensitive")),
        ("content_filter: PROHIBITED_CONTENT", None, "refused"),
        ("guardrail_intervened", "", "refused"),
    ],
)
def test_how_a_model_stopped_is_read_in_the_vendors_words(
    reason: str | None, content: str | None, ending: str
) -> None:
    body = message(content)
    body["choices"][0]["finish_reason"] = reason
    assert replies.read(body).ending == ending


def unknown_ends(read: Any = replies.read) -> list[str]:
    """The ends that are taken for clean ones, and are none."""
    reasons = ("error", "network_error", "insufficient_system_resource", "abort", "unknown", "?!")
    taken = []
    for reason in reasons:
        body = message(VALID)
        body["choices"][0]["finish_reason"] = reason
        try:
            taken.append(f"{reason}: {read(body).ending}")
        except Down as failure:
            is_billed = failure.usage.calls == 1
            taken += [] if is_billed and failure.kind == "unknown end" else [reason]
    return taken


def test_an_unknown_end_is_not_a_clean_one() -> None:
    assert unknown_ends() == []


def test_a_rung_may_know_more_words_for_a_clean_end() -> None:
    body = message(VALID)
    body["choices"][0]["finish_reason"] = "Done"
    assert replies.read(body, stop_reasons=("done",)).ending == "stop"


def test_a_torn_document_without_an_end_was_cut_off() -> None:
    body = message(TORN)
    body["choices"][0]["finish_reason"] = None
    with pytest.raises(Down, match="cut off"):
        replies.read(body)


def test_a_filtered_choice_needs_no_message() -> None:
    body = completion(finish_reason="content_filter", message=None)
    assert replies.read(body).ending == "refused"


def test_an_error_on_the_choice_is_read_like_any() -> None:
    body = completion(finish_reason="error", error={"code": 429, "message": "x"})
    with pytest.raises(replies.ErrorInside) as inside:
        replies.read(body)
    assert kind_of(inside.value.said) is Kind.THROTTLED
    assert inside.value.usage == Usage(calls=1, input_tokens=7, output_tokens=3)


def test_an_error_that_says_nothing_of_usage_has_none() -> None:
    with pytest.raises(replies.ErrorInside) as inside:
        replies.read({"error": {"code": 503}, "usage": {"prompt_tokens": 0}, "choices": []})
    assert inside.value.usage == Usage()


# --- Waste ----------------------------------------------------------------------------------------


def cut(content: str, output: int = 4000, reasoning: int | None = None) -> Answer:
    details = {} if reasoning is None else {"reasoning_tokens": reasoning}
    usage = {
        "prompt_tokens": 420,
        "completion_tokens": output,
        "completion_tokens_details": details,
    }
    body = completion(
        finish_reason="length", usage=usage, message={"role": "assistant", "content": content}
    )
    return replies.read(body)


LONG = PRETTY * 3
INGREDIENT = ' "and then a pinch of salt,",'


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (cut(LONG), "truncated"),
        (cut(LONG, 4000, 3000), "truncated"),
        (cut(VALID[:60]), "truncated"),
        (cut(""), "exhausted"),
        (cut(" \n\n "), "exhausted"),
        (cut("<think>\nLet me see. " * 90), "exhausted"),
        (cut("", 4000, 4000), "exhausted"),
        (cut(VALID[:20], 4000, 3990), "exhausted"),
        (cut(VALID[:20], 10, 3990), "exhausted"),  # counted apart
        (cut(VALID[:30] + " \n" * 400), "looping"),
        (cut(VALID[:30] + "\t" * 4000), "looping"),
        (cut(VALID[:30] + "\\n" * 800), "looping"),
        (cut(VALID[:30] + INGREDIENT * 60), "looping"),
        (cut(VALID[:30] + " " * 300), "truncated"),  # it may yet go on
    ],
)
def test_waste_has_a_word_of_its_own(answer: Answer, ending: str) -> None:
    assert answer.ending == ending


def test_prose_never_looks_like_a_loop() -> None:
    tail = LONG[-replies.LOOP_CHARACTERS :].encode()
    assert len(zlib.compress(tail)) > 2 * replies.LOOP_PACKED_BYTES


# --- Usage ----------------------------------------------------------------------------------------


def used(**usage: Any) -> tuple[int, int, int, int]:
    """Input, cached, output, unreported calls of an answer with this usage."""
    got = replies.read(completion(usage=usage)).usage
    assert got.calls == 1
    return (got.input_tokens, got.cached_input_tokens, got.output_tokens, got.unreported_calls)


REASONED = {"completion_tokens_details": {"reasoning_tokens": 300}}


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49}, (40, 0, 9, 0)),
        # OpenAI counts its reasoning in; xAI and Gemini apart, and bill the total.
        (
            {"prompt_tokens": 40, "completion_tokens": 400, "total_tokens": 440, **REASONED},
            (40, 0, 400, 0),
        ),
        (
            {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 440, **REASONED},
            (40, 0, 400, 0),
        ),
        ({"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 440}, (40, 0, 400, 0)),
        ({"prompt_tokens": 40, "completion_tokens": 100, **REASONED}, (40, 0, 400, 0)),
        ({"prompt_tokens": 40, "completion_tokens": 400, **REASONED}, (40, 0, 400, 0)),
        ({"completion_tokens": 9, "total_tokens": 49}, (40, 0, 9, 0)),
        # The cached ones: OpenAI, Moonshot, DeepSeek, and a slip.
        (
            {
                "prompt_tokens": 40,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 30},
            },
            (40, 30, 9, 0),
        ),
        ({"prompt_tokens": 40, "completion_tokens": 9, "cached_tokens": 30}, (40, 30, 9, 0)),
        (
            {"prompt_tokens": 40, "completion_tokens": 9, "prompt_cache_hit_tokens": 30},
            (40, 30, 9, 0),
        ),
        ({"prompt_tokens": 40, "completion_tokens": 9, "cached_tokens": 90}, (40, 40, 9, 0)),
        ({"input_tokens": 40, "output_tokens": 9}, (40, 0, 9, 0)),
        # Nothing, or half of it, is said.
        ({}, (0, 0, 0, 1)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (0, 0, 0, 1)),
        ({"prompt_tokens": 40, "completion_tokens": 0}, (40, 0, 0, 1)),
        ({"prompt_tokens": 0, "completion_tokens": 9}, (0, 0, 9, 1)),
    ],
)
def test_usage_is_read_as_it_is_billed(
    usage: dict[str, Any], read: tuple[int, int, int, int]
) -> None:
    assert used(**usage) == read
