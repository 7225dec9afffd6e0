"""What a frame says of the time until the client asks again: what a status request would say."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame import MAX_FRAME_BYTES, job_frame
from simmer.jobs.item import job_of
from simmer.jobs.job import Job, JobStatus, Usage
from simmer.waiting.durations import BUCKETS, Durations, bucket
from simmer.web.view import job_view
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide
from tests.unit.events import document
from tests.unit.jobs import DEADLINE_SECONDS, a_job
from tests.unit.push.conftest import Push

MOVING = ("progress", "stage", "message", "estimatedSecondsRemaining")
OUTLINE = '{"recipes":[{"title":"Soup"},{"title":"죽"}]}'
KNOWN = str(Durations({bucket(30.0): 150, bucket(50.0): 50}))


def split(frame: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The status document in the frame, and the fields that a frame has besides."""
    whole = json.loads(frame)
    besides = {name: whole.pop(name) for name in ("askAfterMs", "ahead") if name in whole}
    return whole, besides


def foreseen(frame: str) -> list[tuple[int, dict[str, Any]]]:
    """What a client shows after so many milliseconds, of the fields that move."""
    shown, besides = split(frame)
    shown = {name: shown[name] for name in MOVING}
    found = []
    for entry in besides["ahead"]:
        news = {name: value for name, value in entry.items() if name != "afterMs"}
        assert set(news) <= set(MOVING)
        assert {"progress", "estimatedSecondsRemaining"} <= set(news)
        for name in ("stage", "message"):  # only where it is new
            assert news.get(name) != shown[name]
        shown = shown | news
        found.append((entry["afterMs"], shown))
    return found


def moves(status: Mapping[str, Any]) -> dict[str, Any]:
    return {name: status[name] for name in MOVING}


# ── As a client meets it ──────────────────────────────────────────────────────────────────────────

KINDS: dict[str, tuple[float, dict[str, Any], list[int]]] = {
    # The seconds since it began, what its job has, and when entries are.
    "durations that nobody knows": (20, {}, [5000, 10_000, 15_000, 20_000, 25_000]),
    "durations that past jobs tell": (
        11,
        {"durations": {"recipe": KNOWN}, "parts_count": None},
        [5000, 10_000, 15_000, 20_000, 25_000],
    ),
    "in parts": (
        30,
        {"durations": {"recipe": KNOWN}, "outline": OUTLINE, "part_1": "{}", "parts_count": 2},
        [5000, 10_000, 15_000, 20_000, 25_000],
    ),
    "a task's own words": (
        20,
        {"words": {"analyzing": "Peeling.", "generating": "Frying."}},
        [5000, 10_000, 15_000, 20_000, 25_000],
    ),
    "slower than usual": (85, {}, [5000, 10_000, 15_000, 20_000, 25_000]),
    "near the deadline": (DEADLINE_SECONDS - 10, {}, [5000]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_ahead_is_what_status_requests_say_at_these_times(
    api: Api,
    push: Push,
    cloud: Cloud,
    worker: WorkerSide,
    clock: Clock,
    job_id: str,
    token: str,
    kind: str,
) -> None:
    since_seconds, attributes, times_ms = KINDS[kind]
    worker.claim(job_id)
    cloud.edit_job(job_id, **attributes)
    clock.advance(since_seconds)
    began_ms = clock.now_ms

    frame = push.subscribe(job_id, token)

    said = foreseen(frame)
    assert [after_ms for after_ms, _ in said] == times_ms
    for after_ms, expected in said:
        clock.now_ms = began_ms + after_ms
        assert moves(document(api.status(job_id))) == expected


@pytest.mark.parametrize(
    ("kind", "stages", "messages"),
    [
        ("durations that nobody knows", 2, 2),
        ("a task's own words", 2, 2),
        ("in parts", 1, 2),
        ("slower than usual", 1, 2),
    ],
)
def test_the_kinds_have_what_their_names_say(
    push: Push,
    cloud: Cloud,
    worker: WorkerSide,
    clock: Clock,
    job_id: str,
    token: str,
    kind: str,
    stages: int,
    messages: int,
) -> None:
    """Else the words of an entry are never tried."""
    since_seconds, attributes, _ = KINDS[kind]
    worker.claim(job_id)
    cloud.edit_job(job_id, **attributes)
    clock.advance(since_seconds)

    frame = push.subscribe(job_id, token)

    shown = [moves(split(frame)[0]), *(each for _, each in foreseen(frame))]
    assert len({each["stage"] for each in shown}) == stages
    assert len({each["message"] for each in shown}) == messages


def test_status_request_has_neither_field(
    api: Api, worker: WorkerSide, job_id: str, token: str
) -> None:
    worker.claim(job_id)

    assert document(api.status(job_id)).keys().isdisjoint({"askAfterMs", "ahead"})


def test_an_announcement_has_them_too(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    job = worker.claim(job_id)
    clock.advance(3)
    worker.leases.heartbeat(job, clock.now_ms + 30_000, {"outline": OUTLINE})
    push.tell_ends(job_id)
    began_ms = clock.now_ms

    [_, frame] = cloud.sockets.frames["phone"]

    assert split(frame)[1]["askAfterMs"] == 30_000
    for after_ms, expected in foreseen(frame):
        clock.now_ms = began_ms + after_ms
        assert moves(document(api.status(job_id))) == expected


@pytest.mark.parametrize("has_run", [False, True])
def test_a_queued_job_is_foreseen_too(
    api: Api,
    push: Push,
    worker: WorkerSide,
    clock: Clock,
    job_id: str,
    token: str,
    has_run: bool,
) -> None:
    if has_run:  # and was given back, for the provider has no room
        worker.leases.release(worker.claim(job_id), Usage(), first_rung=0, awaits_capacity=True)
    clock.advance(3)
    began_ms = clock.now_ms

    frame = push.subscribe(job_id, token)

    assert split(frame)[0]["stage"] == "queued"
    said = foreseen(frame)
    assert len(said) == 5
    for after_ms, expected in said:
        clock.now_ms = began_ms + after_ms
        assert moves(document(api.status(job_id))) == expected


def test_job_that_has_ended_has_neither_field(
    push: Push, worker: WorkerSide, job_id: str, token: str
) -> None:
    worker.complete(job_id)

    assert split(push.subscribe(job_id, token))[1] == {}


@pytest.mark.parametrize(
    ("left_ms", "ask_after_ms"),
    [(60_000, 30_000), (29_950, 30_000), (29_899, 29_999), (8000, 8100), (901, 1001), (5, 1000)],
)
def test_the_ask_is_not_past_the_deadline_and_finds_the_end_there(
    push: Push,
    worker: WorkerSide,
    clock: Clock,
    job_id: str,
    token: str,
    left_ms: int,
    ask_after_ms: int,
) -> None:
    worker.claim(job_id)
    clock.now_ms += DEADLINE_SECONDS * 1000 - left_ms

    besides = split(push.subscribe(job_id, token))[1]

    assert besides["askAfterMs"] == ask_after_ms
    clock.now_ms += ask_after_ms
    asked = json.loads(push.subscribe(job_id, token))
    assert asked.get("errorCode") == ("deadline_exceeded" if left_ms < 30_000 else None)


@pytest.mark.parametrize(("over", "has_parts"), [(0, True), (1, False)])
def test_frame_with_what_is_ahead_holds_the_limit(
    cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, over: int, has_parts: bool
) -> None:
    worker.claim(job_id)
    cloud.edit_job(job_id, outline=OUTLINE, part_0='{"x":""}', parts_count=2)
    room = MAX_FRAME_BYTES - len(job_frame(job_of(cloud.image(job_id)), clock.now_ms).encode())
    cloud.edit_job(job_id, part_0=f'{{"x":"{"a" * (room + over)}"}}')

    frame = job_frame(job_of(cloud.image(job_id)), clock.now_ms)

    assert len(frame.encode()) <= MAX_FRAME_BYTES
    assert ("partialResult" in json.loads(frame)) is has_parts
    assert len(split(frame)[1]["ahead"]) == 5


# ── Any job at any time ───────────────────────────────────────────────────────────────────────────

histories = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 300), max_size=8)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Job, int]:
    """An open job, and the time of its frame."""
    clock = Clock()
    queued_ms, deadline_ms = draw(st.integers(0, 60_000)), draw(st.integers(60_000, 900_000))
    parts_count = draw(st.none() | st.integers(2, 4))
    titles = [{"title": f"Recipe {number}"} for number in range(parts_count or 0)]
    has_outline = parts_count is not None and draw(st.booleans())
    parts = draw(st.sets(st.integers(0, (parts_count or 2) - 2))) if has_outline else ()
    job = a_job(
        clock,
        status=draw(st.sampled_from([JobStatus.PENDING, JobStatus.PROCESSING])),
        started_at_ms=clock.now_ms + queued_ms,
        deadline_at_ms=clock.now_ms + deadline_ms,
        durations=draw(st.just({}) | histories.map(lambda days: {"recipe": str(Durations(days))})),
        parts_count=parts_count,
        outline=json.dumps({"recipes": titles}) if has_outline else None,
        parts=dict.fromkeys(parts, "{}"),
        locale=draw(st.sampled_from(["ko", "en", "ar"])),
        words=draw(st.none() | st.just({"analyzing": "Peeling.", "generating": "Frying."})),
    )
    # At an entry's time there may be the deadline, almost.
    near = st.builds(
        lambda steps, more: 5000 * steps + more, st.integers(1, 6), st.integers(0, 150)
    )
    left_ms = draw(st.integers(1, deadline_ms) | near)
    return job, job.deadline_at_ms - left_ms


@given(jobs())
def test_each_entry_is_the_status_document_at_its_time(drawn: tuple[Job, int]) -> None:
    job, now_ms = drawn
    frame = job_frame(job, now_ms)

    assert frame.startswith(job_view(job, now_ms)[:-1] + ",")
    besides = split(frame)[1]
    left_ms = job.deadline_at_ms - now_ms
    assert besides["askAfterMs"] == max(1000, min(30_000, left_ms + 100))
    said = foreseen(frame)
    assert [at for at, _ in said] == [at for at in range(5000, 30_000, 5000) if at < left_ms]
    for after_ms, expected in said:
        assert moves(json.loads(job_view(job, now_ms + after_ms))) == expected
    bars = [entry["progress"] for entry in [json.loads(frame), *besides["ahead"]]]
    assert all(one <= other for one, other in pairwise(bars))
