"""A throttled job goes back to the queue; a throttle costs time, not the job."""

import pytest

import attempt
from providers.outcomes import Throttled
from simmer.jobs.queue import JobQueue
from tests.unit.cloud import refused
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.worker.fakes import USAGE, VALID, FakeProvider
from tests.unit.worker.scene import HIDDEN_SECONDS, THROTTLED_DYNAMODB, Scene


def test_a_throttled_job_goes_back_with_a_new_delayed_message_and_the_old_one_is_done(
    scene: Scene,
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([Throttled("status 429", 7.0)]), scene.message()) == []
    stored = scene.stored()
    assert (stored["status"], stored["awaits_capacity"]) == ("pending", True)
    assert not [name for name in stored if name.startswith("lease")]
    [delay] = scene.queue.delays
    assert 7 <= delay <= 12
    attributes = scene.cloud.sqs.get_queue_attributes(
        QueueUrl=scene.cloud.queue_url,
        AttributeNames=["ApproximateNumberOfMessagesDelayed"],
    )["Attributes"]
    assert attributes == {"ApproximateNumberOfMessagesDelayed": "1"}


def test_the_next_attempt_at_a_throttled_job_begins_where_it_was_and_sums_the_usage(
    scene: Scene,
) -> None:
    job = scene.admit()
    first = FakeProvider(["nonsense", "nonsense", Throttled("status 429", 7.0)])
    assert scene.run(first, scene.message(), rungs=2) == []
    started_at_ms = scene.stored()["started_at_ms"]
    scene.clock.advance(10)
    JobQueue.send(scene.queue, job)
    second = FakeProvider([VALID])
    assert scene.run(second, scene.message(), rungs=2) == []
    assert [asked.rung.model for asked in second.asked] == ["rung-1"]
    stored = scene.stored()
    assert (stored["status"], stored["calls"]) == ("completed", 3)
    assert stored["output_tokens"] == 3 * USAGE.output_tokens
    assert stored["started_at_ms"] == started_at_ms
    assert "awaits_capacity" not in stored


@pytest.mark.parametrize("retry_after_seconds", [DEADLINE_SECONDS, 100_000.0, 1e300])
def test_a_job_throttled_beyond_its_deadline_fails_at_once(
    scene: Scene, retry_after_seconds: float
) -> None:
    scene.admit()
    provider = FakeProvider([Throttled("status 429", retry_after_seconds)])
    assert scene.run(provider, scene.message()) == []
    assert scene.stored()["error_code"] == "model_unavailable"
    assert scene.queue.delays == []


def test_when_the_new_message_cannot_be_sent_the_old_one_is_hidden_for_the_delay_and_stays(
    scene: Scene,
) -> None:
    scene.admit()
    message = scene.message()
    scene.cloud.sqs.fail("send_message", refused("ServiceUnavailable"))
    provider = FakeProvider([Throttled("status 429", 7.0)])
    assert scene.run(provider, message) == [message["messageId"]]
    assert scene.stored()["status"] == "pending"
    assert scene.queue.hidden == [HIDDEN_SECONDS, scene.queue.delays[0]]


def test_when_the_job_cannot_be_released_no_message_is_sent_and_the_old_one_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "WRITE_TRIES", 1)
    scene.admit()
    message = scene.message()

    def meanwhile() -> Exception:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB)
        return Throttled("status 429", 7.0)

    assert scene.run(FakeProvider([meanwhile]), message) == [message["messageId"]]
    assert scene.queue.delays == []
