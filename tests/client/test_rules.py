"""What is asked, when, how often, and what it is called when it goes wrong."""

import json

import pytest

from simmer_client import (
    ApiProblem,
    JobFailed,
    ProtocolError,
    SetupError,
    State,
    Unreachable,
    Update,
    WaitTimeout,
)
from simmer_client.effects import Connect, Effect, Lost, Receive, Send, Unset
from simmer_client.rules import Policy, Timing
from simmer_client.wire import Answer, retry_after_seconds
from tests.client.driving import (
    ANSWERS,
    FRAMES,
    JOB,
    OFFER,
    RESULT,
    World,
    answer,
    status,
    submitted,
)

# ── The way of a job ──────────────────────────────────────────────────────────────────────────────


def test_a_job_goes_from_idle_to_completed() -> None:
    world = World(submitted(), ANSWERS["10"], ANSWERS["done"])
    following = world.following()
    assert following.update.state is State.IDLE

    trace = world.run(following.follow())

    assert [update.state for update in trace.updates] == [
        State.SUBMITTING,
        State.POLLING,
        State.POLLING,
        State.COMPLETED,
    ]
    assert following.outcome().result == RESULT


def test_the_first_check_comes_at_once_and_the_next_when_the_server_says() -> None:
    world = World(
        submitted(),
        answer(200, status("processing", 10, pollAfterMs=1000)),
        answer(200, status("processing", 95, pollAfterMs=500)),
        answer(200, status("processing", 95, pollAfterMs=None), retry_after="4"),
        answer(200, status("processing", 95, pollAfterMs=None)),
        answer(200, status("processing", 95, pollAfterMs=0)),
        answer(200, status("processing", 95, pollAfterMs=1e9)),
    )

    trace = world.run(world.following().follow())

    assert trace.sleeps == [1.0, 0.5, 4.0, 2.0, Timing().shortest_poll, Timing().longest_poll]
    assert len(trace.status_requests) == 7


def test_a_cached_answer_needs_no_poll() -> None:
    cached = {"jobId": JOB, "status": "completed", "progress": 100, "result": RESULT}
    world = World(answer(200, {**cached, "cached": True, "push": OFFER}))

    trace = world.run(world.following().follow())

    assert len(trace.calls) == 1
    assert (trace.updates[-1].cached, trace.updates[-1].progress) == (True, 100)


def test_the_bar_never_goes_back() -> None:
    world = World(submitted(), ANSWERS["40"], ANSWERS["10"], ANSWERS["queued"], ANSWERS["done"])

    trace = world.run(world.following().follow())

    assert [update.progress for update in trace.updates] == [0, 0, 40, 40, 40, 100]


def test_a_failure_carries_its_name() -> None:
    world = World(submitted(), ANSWERS["failed"])
    following = world.following()
    world.run(following.follow())

    with pytest.raises(JobFailed, match="No\\.") as caught:
        following.outcome()

    assert (caught.value.error_code, caught.value.retryable) == ("refused", False)
    assert caught.value.job.job_id == JOB


def test_following_an_ended_job_again_yields_its_end_and_asks_nobody() -> None:
    world = World(submitted(), ANSWERS["done"])
    following = world.following()
    world.run(following.follow())

    trace = world.run(following.follow())

    assert trace.effects == [following.update]


def test_a_resumed_job_is_asked_for_at_once() -> None:
    world = World(ANSWERS["done"])

    trace = world.run(world.following(job_id=JOB).follow())

    assert [call.path for call in trace.calls] == [f"/recipe/status/{JOB}"]


def test_what_is_no_word_stays_one_part_of_the_path() -> None:
    world = World(ANSWERS["404"])

    trace = world.run(world.following(job_id="../x?y").follow())

    assert trace.calls[0].path == "/recipe/status/..%2Fx%3Fy"


# ── Deadline ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("push", [None, OFFER])
def test_a_wait_ends_at_its_deadline_with_the_job_in_hand(push: object) -> None:
    world = World(submitted(push=push), *[ANSWERS["10"]] * 999, frames=[FRAMES["10"], None] * 999)

    trace = world.run(world.following().follow(deadline_seconds=33))

    assert isinstance(trace.error, WaitTimeout)
    assert trace.error.job.job_id == JOB
    assert trace.seconds == pytest.approx(33)


def test_a_server_that_is_gone_is_asked_until_the_deadline() -> None:
    world = World(submitted(), *[ANSWERS["lost"]] * 999)

    trace = world.run(world.following().follow(deadline_seconds=100))

    assert isinstance(trace.error, Unreachable)
    assert 80 < trace.seconds <= 100
    assert trace.sleeps[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_look_at_a_job_whose_time_is_over_is_tried_as_often_as_any() -> None:
    over = status("processing", 10, createdAt="2026-11-25T10:00:00Z", pollAfterMs=30_000)
    over["deadlineAt"] = "2026-11-25T10:00:05Z"
    world = World(*[answer(200, over)] * 3, Lost("gone"), ANSWERS["done"])
    following = world.following(job_id=JOB)
    assert isinstance(world.run(following.follow()).error, WaitTimeout)
    world.answers = iter([Lost("gone"), ANSWERS["done"]])

    trace = world.run(following.get())

    assert trace.error is None
    assert following.update.result == RESULT


def test_a_setting_of_this_machine_is_an_error_at_once() -> None:
    world = World(Unset("SSL_CERT_FILE names nothing."))

    trace = world.run(world.following(job_id=JOB).follow())

    assert isinstance(trace.error, SetupError)
    assert (str(trace.error), len(trace.calls)) == ("SSL_CERT_FILE names nothing.", 1)


# ── Repeating ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("trouble", ["lost", "500", "503, later", "429", "html"])
@pytest.mark.parametrize("operation", ["submit", "get", "cancel"])
def test_trouble_that_may_pass_is_asked_again(operation: str, trouble: str) -> None:
    world = World(
        ANSWERS[trouble],
        ANSWERS[trouble],
        submitted() if operation == "submit" else ANSWERS["done"],
    )
    following = world.before(operation)

    trace = world.run(getattr(following, operation)())

    assert trace.error is None
    assert len(trace.calls) == 3
    assert trace.sleeps == ([7.0, 7.0] if trouble == "503, later" else [1.0, 2.0])
    assert len({(call.path, call.body, str(call.headers)) for call in trace.calls}) == 1


@pytest.mark.parametrize(
    ("trouble", "calls", "error"),
    [("lost", 5, Unreachable), ("500", 5, ApiProblem), ("html", 5, ProtocolError)],
)
@pytest.mark.parametrize("operation", ["submit", "get", "cancel"])
def test_trouble_that_stays_ends_with_its_name(
    operation: str, trouble: str, calls: int, error: type[Exception]
) -> None:
    world = World(*[ANSWERS[trouble]] * 99)
    following = world.before(operation)
    before = following.update

    trace = world.run(getattr(following, operation)())

    assert isinstance(trace.error, error)
    assert len(trace.calls) == calls
    assert following.update == before


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 415, 422])
@pytest.mark.parametrize("operation", ["submit", "follow", "get", "cancel"])
def test_a_refusal_is_not_asked_again(operation: str, code: int) -> None:
    world = World(
        answer(code, {"code": "why", "title": "No", "errors": [{"field": "a", "message": "b"}, 7]})
    )
    following = world.before(operation)

    trace = world.run(getattr(following, operation)())

    assert isinstance(trace.error, ApiProblem)
    assert (trace.error.status, trace.error.code) == (code, "why")
    assert trace.error.errors == [{"field": "a", "message": "b"}]
    assert len(trace.calls) == 1


def test_a_quota_that_opens_after_the_deadline_is_an_error_at_once() -> None:
    world = World(answer(429, {"code": "quota_exceeded"}, retry_after="20000"))

    trace = world.run(world.following().submit())

    assert isinstance(trace.error, ApiProblem)
    assert trace.error.retry_after_seconds == 20000
    assert trace.sleeps == []


@pytest.mark.parametrize("operation", ["submit", "get", "cancel"])
def test_a_retry_after_of_nothing_is_still_a_pause(operation: str) -> None:
    world = World(answer(503, retry_after="0"), answer(429, retry_after="0"))
    following = world.before(operation)

    trace = world.run(getattr(following, operation)())

    assert len(trace.sleeps) >= 2
    assert all(pause > 0 for pause in trace.sleeps)


def test_a_job_that_is_gone_in_the_middle_is_an_error_that_names_it() -> None:
    world = World(submitted(), ANSWERS["10"], ANSWERS["404"])

    trace = world.run(world.following().follow())

    assert isinstance(trace.error, ApiProblem)
    assert (trace.error.code, trace.error.job.job_id) == ("job_not_found", JOB)


def test_a_refused_token_is_replaced_once_for_each_request() -> None:
    refused = answer(401, {"message": "Unauthorized"})
    policy = Policy(can_refresh_token=True)

    mended = World(refused, submitted(), refused, ANSWERS["done"])
    trace = mended.run(mended.following(policy).follow())
    assert [call.fresh_token for call in trace.calls] == [False, True, False, True]
    assert trace.sleeps == []

    hopeless = World(refused, refused, refused)
    trace = hopeless.run(hopeless.following(policy).submit())
    assert len(trace.calls) == 2
    assert isinstance(trace.error, ApiProblem)
    assert "Unauthorized" in str(trace.error)


def test_fresh_work_has_a_key_so_that_a_lost_answer_does_not_double_it() -> None:
    world = World(ANSWERS["lost"], submitted())

    trace = world.run(world.following(fresh=True).submit())

    first, second = trace.calls
    assert "cache-control" not in first.headers  # HTTP stacks send one by themselves
    assert len(first.headers["idempotency-key"]) >= 32
    assert first.headers == second.headers


def test_a_key_of_the_callers_own_is_kept_and_a_plain_submit_has_none() -> None:
    world = World()
    own = world.run(world.following(fresh=True, idempotency_key="mine").submit())
    plain = world.run(world.following().submit())

    assert own.calls[0].headers["idempotency-key"] == "mine"
    assert "idempotency-key" not in plain.calls[0].headers


# ── Push ──────────────────────────────────────────────────────────────────────────────────────────


def test_while_push_works_nobody_asks_for_the_status() -> None:
    frames = [FRAMES[name] for name in ("10", "silence", "40", "silence", "done")]
    world = World(submitted(push=OFFER), frames=frames)

    trace = world.run(world.following().follow())

    assert trace.status_requests == []
    assert [update.progress for update in trace.updates] == [0, 0, 10, 40, 100]
    sent = [json.loads(each.text) for each in trace.effects if isinstance(each, Send)]
    assert sent == [{"action": "subscribe", "jobId": JOB, "token": "push-token"}] * 3
    assert trace.seconds == 20  # subscribed again every ten seconds


def test_while_a_job_is_queued_push_is_asked_sooner_and_then_less_and_less() -> None:
    frames = [FRAMES[name] for name in (*["queued", "silence"] * 6, "10", "silence", "done")]
    world = World(submitted(push=OFFER), frames=frames)

    trace = world.run(world.following().follow())

    pauses = [each.timeout_seconds for each in trace.effects if isinstance(each, Receive)][1::2]
    assert pauses == [1, 2, 4, 8, 10, 10, 10]
    assert trace.status_requests == []


def test_between_two_frames_the_bar_goes_on_and_nobody_asks() -> None:
    world = World(submitted(push=OFFER), frames=[FRAMES["ahead"], None, None, None])

    trace = world.run(world.following().follow())

    assert trace.seconds == 30
    shown = [
        (update.progress, update.stage, update.message, update.estimated_seconds_remaining)
        for update in trace.updates[2:-1]
    ]
    assert shown == [
        (20, "", "", None),
        (30, "generating", "Writing.", None),
        (50, "generating", "Writing.", 9),
    ]
    assert trace.status_requests == []


def test_what_an_entry_does_not_have_stays_as_it_was_shown() -> None:
    ahead = [
        {"afterMs": 1000, "progress": 20, "estimatedSecondsRemaining": 8, "message": "Soon."},
        {"afterMs": 2000, "progress": 30},
        {"afterMs": 3000, "progress": 40, "estimatedSecondsRemaining": "7", "message": 7},
    ]
    frame = json.dumps(status("processing", 10, estimatedSecondsRemaining=9, ahead=ahead))
    world = World(submitted(push=OFFER), frames=[frame, None, None, None, None])

    trace = world.run(world.following().follow())

    shown = [
        (update.progress, update.estimated_seconds_remaining, update.message)
        for update in trace.updates[2:-1]
    ]
    assert shown == [(10, 9, ""), (20, 8, "Soon."), (30, 8, "Soon."), (40, 8, "Soon.")]


@pytest.mark.parametrize("odd", ["1e999", "-1e999", "9" * 400])
@pytest.mark.parametrize("name", ["askAfterMs", "afterMs", "progress"])
def test_a_number_past_all_bounds_is_none(name: str, odd: str) -> None:
    """Vectors cannot say it: not every reader of JSON has infinity."""
    entry: dict[str, object] = {"afterMs": 5000, "progress": 50}
    said = status("processing", 10, askAfterMs=20_000, ahead=[entry])
    (said if name == "askAfterMs" else entry)[name] = "odd"
    frame = json.dumps(said).replace('"odd"', odd)
    world = World(submitted(push=OFFER), frames=[frame, None, *[None] * (name == "askAfterMs")])

    trace = world.run(world.following().follow())

    assert trace.seconds == (10 if name == "askAfterMs" else 20)
    assert [update.progress for update in trace.updates[2:-1]] == (
        [10, 50] if name == "askAfterMs" else [10]
    )


@pytest.mark.parametrize(("asked_ms", "seconds"), [(1999, 7), (2000, 2), (8000, 8), (8001, 7)])
def test_timing_says_how_soon_and_how_late_a_server_may_have_itself_asked(
    asked_ms: int, seconds: float
) -> None:
    timing = Timing(resubscribe=7, shortest_resubscribe=2, longest_resubscribe=8)
    frame = json.dumps(status("processing", 10, askAfterMs=asked_ms))
    world = World(submitted(push=OFFER), frames=[frame, None])

    trace = world.run(world.following(Policy(timing=timing)).follow())

    assert trace.seconds == seconds


def test_a_caller_that_takes_its_time_gets_what_is_due_and_no_more() -> None:
    world = World(submitted(push=OFFER), frames=[FRAMES["ahead"], None])
    shown: list[tuple[int, float]] = []
    perform = world.perform

    def take_long(effect: Effect) -> object:
        if isinstance(effect, Update):
            shown.append((effect.progress, world.clock.seconds - 1000))
            world.clock.seconds += 40 if effect.progress == 30 else 0
        return perform(effect)

    world.perform = take_long  # type: ignore[method-assign]
    world.run(world.following().follow())

    assert shown == [(0, 0), (0, 0), (20, 0), (30, 5), (50, 45), (100, 45)]


def test_a_socket_that_does_not_answer_in_time_is_dead() -> None:
    world = World(submitted(push=OFFER), frames=[FRAMES["10"], None, None])

    trace = world.run(world.following().follow())

    assert trace.seconds == 15
    assert len(trace.status_requests) == 1
    assert trace.sleeps == []


def test_a_result_too_large_for_a_frame_is_fetched() -> None:
    world = World(submitted(push=OFFER), frames=[FRAMES["10"], FRAMES["large"]])

    trace = world.run(world.following().follow())

    assert len(trace.status_requests) == 1
    assert trace.sleeps == []
    assert trace.updates[-1].result == RESULT


@pytest.mark.parametrize(
    ("policy", "push"),
    [
        (Policy(push=False), OFFER),
        (Policy(secure=True), OFFER),  # plain ws from an https API
        (Policy(), {"url": "http://push.test", "token": "t"}),
        (Policy(), {"url": 7, "token": "t"}),
        (Policy(), {"url": "ws://push.test"}),
        (Policy(), "ws://push.test"),
        (Policy(), []),
    ],
)
def test_an_offer_that_is_unwanted_or_no_offer_is_passed_over(policy: Policy, push: object) -> None:
    world = World(submitted(push=push))

    trace = world.run(world.following(policy).follow())

    assert not any(isinstance(each, Connect | Send | Receive) for each in trace.effects)
    assert trace.updates[-1].state is State.COMPLETED


# ── Cancel ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("cancelled", State.CANCELLED),
        ("10", State.CANCELLED),  # others wait for it; we do not any more
        ("done", State.COMPLETED),
        ("failed", State.FAILED),
    ],
)
def test_a_cancel_ends_the_job_for_us(said: str, state: State) -> None:
    world = World(ANSWERS[said])
    following = world.following(job_id=JOB)

    trace = world.run(following.cancel())

    assert [(call.method, call.path) for call in trace.calls] == [("POST", f"/recipe/cancel/{JOB}")]
    assert following.update.state is state
    assert following.update.result == (RESULT if state is State.COMPLETED else None)


def test_a_cancel_of_an_ended_or_unsent_job_asks_nobody() -> None:
    world = World(submitted(), ANSWERS["done"])
    ended, unsent = world.following(), world.following()
    world.run(ended.follow())

    assert world.run(ended.cancel()).effects == []
    assert ended.update.state is State.COMPLETED
    assert world.run(unsent.cancel()).effects == []
    assert world.run(unsent.follow()).calls == []
    assert unsent.update.state is State.CANCELLED


def test_a_job_left_while_it_was_sent_is_cancelled_as_soon_as_it_has_a_name() -> None:
    world = World(submitted(), ANSWERS["cancelled"])
    following = world.following()
    steps = following.follow()
    next(steps)  # submitting
    call = steps.send(None)
    world.run(following.cancel())

    trace = world.run(steps, came_of_it=world.perform(call))

    assert [call.path for call in trace.calls] == [f"/recipe/cancel/{JOB}"]
    assert trace.effects[-1] == following.update
    assert (following.update.state, following.update.job_id) == (State.CANCELLED, JOB)


# ── Answers that are not as promised ──────────────────────────────────────────────────────────────

NONSENSE = [
    b"",
    b"null",
    b"[]",
    b"\xff",
    b'{"jobId": "',
    b"[" * 100_000,
    b'{"a": ' + b"9" * 5000 + b"}",
    json.dumps({**status("processing", 1), "jobId": "another"}).encode(),
    json.dumps(status("thinking", 1)).encode(),
    json.dumps({**status("x", 1), "status": ["processing"]}).encode(),
    json.dumps(status("processing", 1, message=7)).encode(),
    json.dumps({**status("processing", 1), "progress": "1"}).encode(),
    json.dumps({**status("processing", 1), "progress": True}).encode(),
    json.dumps(status("completed", 100)).encode(),
    b'{"jobId": "%s", "status": "processing", "progress": NaN}' % JOB.encode(),
    b'{"jobId": "%s", "status": "processing", "progress": 1e999}' % JOB.encode(),
    b'{"jobId": "%s", "status": "processing", "progress": 1%s}' % (JOB.encode(), b"0" * 400),
]


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("operation", ["submit", "follow", "get", "cancel"])
def test_nonsense_is_a_protocol_error(operation: str, body: bytes) -> None:
    world = World(*[Answer(200, {}, body)] * 999)
    following = world.before(operation)

    trace = world.run(getattr(following, operation)())

    assert isinstance(trace.error, ProtocolError)
    assert trace.error.__cause__ is None


@pytest.mark.parametrize("code", [204, 302])
def test_an_answer_of_another_kind_is_a_protocol_error(code: int) -> None:
    world = World(*[Answer(code, {"location": "https://elsewhere.test"}, b"")] * 5)

    assert isinstance(world.run(world.following().submit()).error, ProtocolError)


def test_a_progress_outside_its_bounds_is_brought_inside() -> None:
    world = World(answer(200, status("processing", -7)), answer(200, status("processing", 700)))

    trace = world.run(world.following(job_id=JOB).follow())

    assert [update.progress for update in trace.updates] == [0, 0, 100, 100]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            30,
        ),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


def test_no_error_holds_a_token_or_what_was_sent() -> None:
    world = World(submitted(push=OFFER), *[Lost("gone")] * 999, frames=[Lost("closed")])
    trace = world.run(world.following().follow())

    assert trace.error is not None
    assert "push-token" not in repr((trace.error, trace.error.job))
    assert "egg" not in repr((trace.error, trace.error.job))
