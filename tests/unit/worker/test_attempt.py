"""One worker's run at one job, from the message to the end that is written."""

import json
import logging
from typing import Any

import pytest

import attempt
from attempt import MIN_CALL_SECONDS, WRITE_MARGIN_SECONDS
from providers.outcomes import Down, Misconfigured, Throttled
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS
from tests.unit.cloud import refused
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.worker.fakes import USAGE, VALID, FakeProvider
from tests.unit.worker.scene import HIDDEN_SECONDS, NEEDED_MS, THROTTLED_DYNAMODB, Scene, logged

# --- A job that ends ------------------------------------------------------------------------------


def test_a_job_is_completed_with_the_very_text_of_the_answer(scene: Scene) -> None:
    scene.admit()
    text = VALID.replace(": ", " :\n ")
    scene.clock.advance(3)
    assert scene.run(FakeProvider([text]), scene.message()) == []
    stored = scene.stored()
    assert (stored["status"], stored["result"]) == ("completed", text)
    assert stored["completed_at_ms"] == stored["started_at_ms"] == scene.clock.now_ms
    assert stored["expires_at_seconds"] == scene.clock.now_ms // 1000 + 3600
    assert stored["calls"] == 1
    assert stored["input_tokens"] == USAGE.input_tokens
    assert not [name for name in stored if name.startswith("lease")]


@pytest.mark.parametrize(
    ("said", "error_code"),
    [("nonsense", "invalid_output"), (Misconfigured("status 404"), "model_unavailable")],
)
def test_a_job_without_a_result_fails_by_name(
    scene: Scene, said: str | Exception, error_code: str
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([said, said]), scene.message()) == []
    assert (scene.stored()["status"], scene.stored()["error_code"]) == ("failed", error_code)


def test_an_unexpected_exception_ends_the_job_as_internal(
    scene: Scene, records: list[logging.LogRecord]
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([KeyError("두부")]), scene.message()) == []
    assert scene.stored()["error_code"] == "internal"
    assert "두부" not in logged(records)


def test_on_taking_a_message_its_visibility_is_shortened_to_the_lease(scene: Scene) -> None:
    scene.admit()
    scene.run(FakeProvider([VALID]), scene.message())
    assert scene.queue.hidden == [HIDDEN_SECONDS]


def test_a_message_that_cannot_be_hidden_is_worked_on_all_the_same(scene: Scene) -> None:
    scene.admit()
    scene.cloud.sqs.fail("change_message_visibility", refused("ServiceUnavailable"))
    assert scene.run(FakeProvider([VALID]), scene.message()) == []
    assert scene.stored()["status"] == "completed"


# --- Time -----------------------------------------------------------------------------------------


def test_a_function_that_is_nearly_out_of_time_gives_the_job_back_without_delay(
    scene: Scene,
) -> None:
    scene.admit()
    provider = FakeProvider([])
    seconds = WRITE_MARGIN_SECONDS + MIN_CALL_SECONDS - 0.5
    assert scene.run(provider, scene.message(), seconds=seconds) == []
    assert provider.asked == []
    stored = scene.stored()
    assert (stored["status"], stored["awaits_capacity"]) == ("pending", False)
    assert scene.queue.delays == [0]
    assert scene.message()["body"] == json.dumps(
        {"jobId": "0" * 32, "runId": "run-1", "task": "recipe"}
    )


def test_a_call_may_last_until_the_function_must_write(scene: Scene) -> None:
    scene.admit()
    provider = FakeProvider([VALID])
    scene.run(provider, scene.message(), seconds=30)
    [asked] = provider.asked
    assert 30 - WRITE_MARGIN_SECONDS - 2 < asked.timeout_seconds <= 30 - WRITE_MARGIN_SECONDS


def test_a_call_may_last_until_the_end_must_be_written_before_the_deadline(scene: Scene) -> None:
    scene.admit()
    scene.clock.advance(DEADLINE_SECONDS - 60)
    provider = FakeProvider([VALID])
    scene.run(provider, scene.message())
    [asked] = provider.asked
    assert asked.timeout_seconds == 60 - LAST_WRITE_MS / 1000 - WRITE_MARGIN_SECONDS


def test_a_job_too_near_its_deadline_for_a_call_fails_without_one(scene: Scene) -> None:
    scene.admit()
    scene.clock.advance(DEADLINE_SECONDS - NEEDED_MS / 1000 + 0.001)
    provider = FakeProvider([])
    assert scene.run(provider, scene.message()) == []
    assert provider.asked == []
    assert scene.stored()["error_code"] == "deadline_exceeded"


@pytest.mark.parametrize("seconds_early", [LAST_WRITE_MS / 1000, 1, 0])
def test_a_job_past_the_last_moment_for_writing_waits_for_its_deadline(
    scene: Scene, seconds_early: float
) -> None:
    scene.admit()
    before = scene.stored()
    message = scene.message()
    scene.clock.advance(DEADLINE_SECONDS - seconds_early)
    provider = FakeProvider([])
    assert scene.run(provider, message) == [message["messageId"]]
    assert (provider.asked, scene.stored()) == ([], before)
    assert scene.queue.hidden[-1] == seconds_early + CLOCK_SKEW_MS / 1000


def test_a_job_that_nobody_runs_or_reads_is_failed_by_its_message(scene: Scene) -> None:
    """Who waits with the app closed hears of what is written alone."""
    scene.admit()
    message = scene.message()
    scene.clock.advance(DEADLINE_SECONDS + CLOCK_SKEW_MS / 1000)
    assert scene.run(FakeProvider([]), message) == []
    stored = scene.stored()
    assert (stored["status"], stored["error_code"]) == ("failed", "deadline_exceeded")
    assert stored["completed_at_ms"] == stored["deadline_at_ms"]


def test_a_failure_that_cannot_be_written_down_keeps_its_message(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    scene.clock.advance(DEADLINE_SECONDS + CLOCK_SKEW_MS / 1000)
    # The claim, which is refused, and then the write.
    scene.cloud.dynamodb.fail(
        "update_item", refused("InternalServerError"), about="completed_at_ms"
    )
    assert scene.run(FakeProvider([]), message) == [message["messageId"]]


def test_a_re_ask_that_would_end_too_late_is_not_made(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.clock.advance(DEADLINE_SECONDS - NEEDED_MS / 1000 + 0.001)
        return "nonsense"

    provider = FakeProvider([meanwhile])
    assert scene.run(provider, scene.message()) == []
    assert scene.stored()["error_code"] == "deadline_exceeded"
    assert scene.stored()["calls"] == 1


# --- Writes that fail -----------------------------------------------------------------------------


def test_the_end_is_written_again_until_dynamodb_takes_it(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=2)
        return VALID

    assert scene.run(FakeProvider([meanwhile]), scene.message()) == []
    assert scene.stored()["status"] == "completed"
    assert scene.stored()["calls"] == 1


def test_an_end_whose_acknowledgement_got_lost_is_written_once(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.cloud.dynamodb.lose_answer("update_item")
        return VALID

    assert scene.run(FakeProvider([meanwhile]), scene.message()) == []
    assert (scene.stored()["status"], scene.stored()["calls"]) == ("completed", 1)


def test_a_release_whose_acknowledgement_got_lost_loses_no_job(scene: Scene) -> None:
    scene.admit()
    message = scene.message()

    def meanwhile() -> Exception:
        scene.cloud.dynamodb.lose_answer("update_item")
        return Throttled("status 429", 1.0)

    stays = scene.run(FakeProvider([meanwhile]), message)
    assert scene.stored()["status"] == "pending"
    # Either message will do, but there must be one.
    assert stays == [message["messageId"]] or scene.queue.delays


def test_an_end_that_dynamodb_never_takes_leaves_the_message_to_another_try(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "WRITE_TRIES", 2)
    scene.admit()
    message = scene.message()

    def meanwhile() -> str:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=100)
        return VALID

    assert scene.run(FakeProvider([meanwhile]), message) == [message["messageId"]]
    assert scene.stored()["status"] == "processing"


@pytest.mark.parametrize(
    "said",
    [
        [VALID],
        ["nonsense with 두부", VALID],
        [Throttled("status 429", 1.0)],
        [Misconfigured("status 401")],
        [Down("timeout")],
        [KeyError("두부")],
        [DependencyUnavailable("두부")],
    ],
    ids=["completed", "re-asked", "throttled", "misconfigured", "down", "bug", "odd bug"],
)
def test_no_word_of_request_or_answer_is_logged(
    scene: Scene, records: list[logging.LogRecord], said: list[Any]
) -> None:
    scene.admit(owner="alice@example.com")
    message = scene.message()
    records.clear()  # what the test's own client has logged
    scene.run(FakeProvider(said), message)
    # What stands behind AWS in these tests is asked by boto3, which logs what it was asked.
    others = ("asyncio", "boto", "moto", "urllib3")
    found = logged([record for record in records if not record.name.startswith(others)])
    assert found
    for secret in ("두부", "tofu", "crème", "Crisp", "nonsense", "alice"):
        assert secret.lower() not in found.lower()
