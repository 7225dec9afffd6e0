"""In every case of openapi.json the handlers answer as the document says."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.submit import app as submit_app
from openapi.problems import CANCEL, STATUS, SUBMIT, errors_at
from simmer import errors
from simmer.errors import SimmerError
from simmer.web.http import MAX_BODY_BYTES
from tests.contract.contract import Contract
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import PUSH_KEY_SECRET, Cloud, WorkerSide, refused
from tests.unit.events import document
from tests.unit.worker.fakes import VALID

OPERATIONS = {SUBMIT: "submitRecipe", STATUS: "getRecipeStatus", CANCEL: "cancelRecipe"}

type Answer = dict[str, Any]


@pytest.fixture
def api(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """With push on."""
    monkeypatch.setenv("PUSH_URL", "wss://push.example/push")
    monkeypatch.setenv("PUSH_KEY_SECRET", PUSH_KEY_SECRET)
    submit_app._push_tokens.cache_clear()
    yield api
    submit_app._push_tokens.cache_clear()


@pytest.fixture
def job_id(api: Api) -> str:
    return str(document(api.submit())["jobId"])


def check(contract: Contract, place: str, answer: Answer) -> dict[str, Any]:
    return contract.check(
        OPERATIONS[place], answer["statusCode"], answer["headers"], answer["body"]
    )


# ── What goes well ────────────────────────────────────────────────────────────────────────────────


def test_accepted_request(api: Api, contract: Contract) -> None:
    accepted = check(contract, SUBMIT, api.submit())

    assert "push" in accepted


def test_accepted_request_without_push(
    api: Api, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUSH_URL")

    assert "push" not in check(contract, SUBMIT, api.submit())


def test_request_answered_before(
    api: Api, contract: Contract, worker: WorkerSide, job_id: str
) -> None:
    worker.complete(job_id, VALID)

    assert check(contract, SUBMIT, api.submit())["cached"] is True


STATES: dict[str, Callable[[Api, WorkerSide, str], object]] = {
    "pending": lambda _, worker, job_id: None,
    "processing": lambda _, worker, job_id: worker.claim(job_id),
    "completed": lambda _, worker, job_id: worker.complete(job_id, VALID),
    "failed": lambda _, worker, job_id: worker.fail(job_id, "refused"),
    "cancelled": lambda api, _, job_id: api.cancel(job_id),
}


@pytest.mark.parametrize("state", STATES)
def test_status_of_a_job_in_every_state(
    api: Api, contract: Contract, worker: WorkerSide, job_id: str, state: str
) -> None:
    STATES[state](api, worker, job_id)

    status = check(contract, STATUS, api.status(job_id))

    content = contract.operation("getRecipeStatus")["responses"]["200"]["content"]
    examples = content["application/json"]["examples"]
    assert status["status"] == state
    assert set(status) == set(examples[state]["value"]), "each field in its states"


def test_status_of_a_job_past_its_deadline(
    api: Api, contract: Contract, clock: Clock, job_id: str
) -> None:
    clock.advance(301)

    assert check(contract, STATUS, api.status(job_id))["errorCode"] == "deadline_exceeded"


@pytest.mark.parametrize("state", STATES)
def test_cancel_of_a_job_in_every_state(
    api: Api, contract: Contract, worker: WorkerSide, job_id: str, state: str
) -> None:
    STATES[state](api, worker, job_id)
    ended = state if state in ("completed", "failed") else "cancelled"

    assert check(contract, CANCEL, api.cancel(job_id))["status"] == ended


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────────


def _reuse_a_key(api: Api, _: Cloud) -> Answer:
    key = {"idempotency-key": "k1"}
    api.submit({"ingredients": ["egg"]}, headers=key)
    return api.submit({"ingredients": ["ham"]}, headers=key)


def _use_the_quota_up(api: Api, cloud: Cloud) -> Answer:
    for number in range(100):
        job_id = document(api.submit({"ingredients": [f"egg {number}"]}))["jobId"]
        cloud.edit_job(job_id, status="cancelled")
    return api.submit()


def _have_many_under_way(api: Api, _: Cloud) -> Answer:
    for number in range(20):
        api.submit({"ingredients": [f"egg {number}"]})
    return api.submit()


def _failing(service: str, operation: str, error: Exception, ask: str) -> Callable[..., Answer]:
    def provoke(api: Api, cloud: Cloud) -> Answer:
        job_id = document(api.submit({"ingredients": ["egg"]}))["jobId"]
        getattr(cloud, service).fail(operation, error)
        asked: Answer = api.submit() if ask == SUBMIT else getattr(api, ask)(job_id)
        return asked

    return provoke


BROKEN = refused("InternalServerError")
PROVOKE: dict[tuple[str, type[SimmerError]], Callable[[Api, Cloud], Answer]] = {
    (SUBMIT, errors.MalformedJson): lambda api, _: api.submit(""),
    (SUBMIT, errors.InvalidIdempotencyKey): lambda api, _: api.submit(
        headers={"idempotency-key": "a b"}
    ),
    (SUBMIT, errors.InvalidToken): lambda api, _: api.submit(user=""),
    (STATUS, errors.InvalidToken): lambda api, _: api.status("0" * 32, user=""),
    (CANCEL, errors.InvalidToken): lambda api, _: api.cancel("0" * 32, user=""),
    (SUBMIT, errors.UnknownTask): lambda api, _: api.submit(task="nonsense"),
    (SUBMIT, errors.RequestTooLarge): lambda api, _: api.submit("x" * (MAX_BODY_BYTES + 1)),
    (SUBMIT, errors.UnsupportedMediaType): lambda api, _: api.submit(content_type="text/plain"),
    (SUBMIT, errors.InvalidRequest): lambda api, _: api.submit(
        {"ingredients": ["egg"], "color": "red"}
    ),
    (SUBMIT, errors.IdempotencyKeyReused): _reuse_a_key,
    (SUBMIT, errors.QuotaExceeded): _use_the_quota_up,
    (SUBMIT, errors.TooManyJobs): _have_many_under_way,
    (SUBMIT, errors.InternalError): _failing(
        "dynamodb", "transact_write_items", KeyError("x"), SUBMIT
    ),
    (SUBMIT, errors.DependencyUnavailable): _failing("sqs", "send_message", BROKEN, SUBMIT),
    (STATUS, errors.UnknownTask): lambda api, _: api.status("0" * 32, task="nonsense"),
    (STATUS, errors.JobNotFound): lambda api, _: api.status("0" * 32),
    (STATUS, errors.InternalError): _failing("dynamodb", "get_item", KeyError("x"), STATUS),
    (STATUS, errors.DependencyUnavailable): _failing("dynamodb", "get_item", BROKEN, STATUS),
    (CANCEL, errors.UnknownTask): lambda api, _: api.cancel("0" * 32, task="nonsense"),
    (CANCEL, errors.JobNotFound): lambda api, _: api.cancel("0" * 32),
    (CANCEL, errors.InternalError): _failing("dynamodb", "get_item", KeyError("x"), CANCEL),
    (CANCEL, errors.DependencyUnavailable): _failing("dynamodb", "get_item", BROKEN, CANCEL),
}
DOCUMENTED = [(place, error) for place in OPERATIONS for error in errors_at(place)]


@pytest.mark.parametrize(
    ("place", "error"), DOCUMENTED, ids=[f"{place} {error.code}" for place, error in DOCUMENTED]
)
def test_error_is_answered_as_documented_and_its_example_is_real(
    api: Api, cloud: Cloud, contract: Contract, place: str, error: type[SimmerError]
) -> None:
    answer = PROVOKE[place, error](api, cloud)

    problem = check(contract, place, answer)
    response = contract.operation(OPERATIONS[place])["responses"][str(answer["statusCode"])]
    example = response["content"]["application/problem+json"]["examples"][error.code]["value"]
    if (place, error) != (SUBMIT, errors.DependencyUnavailable):
        # The others name the service that was asked.
        assert problem.pop("detail") if error is errors.DependencyUnavailable else True
        example = {key: value for key, value in example.items() if key in problem}
    assert problem == example
