"""A whole job, from the submit to its result: none of its words and no key is logged anywhere."""

import io
import json
import logging
from typing import Any

import pytest

import app
from provider import Provider
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import TABLE, Cloud
from tests.unit.events import TOKEN, document
from tests.unit.worker.servers import Answering, Crude, completion, says
from tests.unit.worker.workshop import KEY, Context, Keys, Workshop

pytestmark = pytest.mark.enable_socket

USER = "alice@example.com"
REQUEST = {
    "ingredients": ["kohlrabi", "두부"],
    "dietary": ["halal"],
    "count": 1,
    "locale": "en",
    "maxCookingTime": 479,
}
RECIPE = {
    "name": "Zanzibar surprise",
    "description": "Crunchy.",
    "ingredients": ["kohlrabi"],
    "additionalIngredients": ["saffron"],
    "instructions": "Slice, then simmer gently.",
    "cookingTime": 15,
    "difficulty": "easy",
    "servings": 2,
}
WORDS = [
    *("kohlrabi", "두부", "\\ub450", "halal", "cooking app"),
    *("Zanzibar", "Crunchy", "saffron", "Slice", "simmer gently", "snail"),
    *(KEY, KEY[3:], TOKEN, USER),
]


def answer(recipe: dict[str, Any], **changes: Any) -> Answering:
    message = {"role": "assistant", "content": json.dumps({"recipes": [recipe]}), "refusal": None}
    return says(completion(message=message, **changes))


CASES: dict[str, tuple[Answering, str]] = {
    "completed": (answer(RECIPE), "completed"),
    "an invented field": (answer({**RECIPE, "zanzibarSnail": 1}), "failed"),
    "invalid": (answer({**RECIPE, "ingredients": ["snail"]}), "failed"),
    "truncated": (answer(RECIPE, finish_reason="length"), "failed"),
    "an error that quotes all": (
        says({"error": {"message": f"{KEY}: {REQUEST} {RECIPE}", "code": "x"}}, 400),
        "failed",
    ),
    "a body that is none": (says('{"choices": [' + json.dumps(RECIPE)), "pending"),
    "throttled": (says({"error": {"message": f"{KEY} {RECIPE}"}}, 429), "pending"),
}


@pytest.mark.parametrize(("said", "status"), CASES.values(), ids=CASES.keys())
def test_no_word_of_request_and_answer_nor_a_key_is_logged_on_the_whole_way(
    api: Api,
    cloud: Cloud,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    records: list[logging.LogRecord],
    capfd: pytest.CaptureFixture[str],
    said: Answering,
    status: str,
) -> None:
    printed = io.StringIO()  # what the functions' own log handlers write
    for handler in logging.getLogger("simmer").handlers:
        monkeypatch.setattr(handler, "stream", printed)
    with Crude() as server:
        server.answer = said
        rung = {
            "model": "m",
            "baseUrl": f"{server.url}/v1",
            "promptCache": True,
            "price": {"input": 1, "cachedInput": 0.1, "output": 5},
        }
        environment = {
            "JOBS_TABLE": TABLE,
            "JOBS_QUEUE_URL": cloud.queue_url,
            "MODEL_LADDER": json.dumps([rung]),
            "MODEL_KEYS_SECRET": "keys",
            "DAILY_BUDGET_USD": "5",
            "WORKER_JOBS": "1",  # a job that is given back stays so
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(Provider, "connect", lambda secret: Provider(secret, Keys()))
        app._worker.cache_clear()
        job_id = document(api.submit(REQUEST, user=USER))["jobId"]
        try:
            app.handler({"Records": Workshop(cloud, clock).receive()}, Context())
        finally:
            app._worker.cache_clear()
            app._runner().close()
            app._runner.cache_clear()
        shown = document(api.status(job_id, user=USER))

    assert (shown["status"], server.bodies != []) == (status, True)
    assert server.authorizations[0] == f"Bearer {KEY}"
    ours = [record for record in records if not record.name.startswith(("botocore", "asyncio"))]
    assert len(ours) >= 5, "submit, claim, call, status"
    shown_by_default = {each.name for each in ours if each.levelno >= logging.INFO}
    assert {name.partition(".")[0] for name in shown_by_default} == {"simmer", "aiohttp"}, (
        "the functions' own lines, and those of the model server here"
    )
    texts = [str({**vars(record), "text": record.getMessage()}) for record in ours]
    everything = "\n".join([*texts, printed.getvalue(), *capfd.readouterr()])
    assert job_id in everything
    assert [word for word in WORDS if word.lower() in everything.lower()] == []
