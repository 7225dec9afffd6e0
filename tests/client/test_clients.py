"""Both clients against a server over real sockets, the same table for each."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from simmer_client import (
    ApiProblem,
    AsyncClient,
    Client,
    JobCancelled,
    JobFailed,
    Part,
    ProtocolError,
    SimmerError,
    State,
    Timing,
    Unreachable,
    Update,
    WaitTimeout,
)
from tests.client.driving import JOB, RECIPES, RESULT
from tests.client.misbehaving import MisbehavingServer

BODY = {"ingredients": ["egg", "달걀"]}
QUICK = Timing(resubscribe=0.1, first_backoff=0.01, longest_backoff=0.05, shortest_poll=0.01)
HURRIED = replace(QUICK, request_timeout=0.05)  # for a token that never comes
HASTY = replace(QUICK, request_timeout=2.5, answer_within=2.0)  # for what never answers


@dataclass
class Followed:
    """What somebody who follows a job is given."""

    updates: list[Update]
    error: SimmerError | None = None


def follow(server: MisbehavingServer, token: Any = "token", **options: Any) -> Followed:
    followed = Followed([])
    with Client(server.url, token, **{"timing": QUICK, **options}) as client:
        try:
            for update in client.job("recipe", BODY).updates():
                followed.updates.append(update)
        except SimmerError as error:
            followed.error = error
    return followed


def follow_async(server: MisbehavingServer, token: Any = "token", **options: Any) -> Followed:
    async def main() -> Followed:
        followed = Followed([])
        async with AsyncClient(server.url, token, **{"timing": QUICK, **options}) as client:
            try:
                async for update in client.job("recipe", BODY).updates():
                    followed.updates.append(update)
            except SimmerError as error:
                followed.error = error
        return followed

    return asyncio.run(main())


Follow = Callable[..., Followed]


@pytest.fixture(params=[follow, follow_async], ids=["sync", "async"])
def follows(request: pytest.FixtureRequest) -> Iterator[Follow]:
    yield request.param
    left = [thread for thread in threading.enumerate() if "recv_events" in thread.name]
    assert not left, "a socket was left open"


@pytest.mark.parametrize("push", [True, False])
def test_a_job_is_followed_to_its_end(follows: Follow, push: bool) -> None:
    with MisbehavingServer(status=["10", "40", "done"], push=["10", "40,done"]) as server:
        followed = follows(server, push=push)

    assert [update.progress for update in followed.updates] == [0, 0, 10, 40, 100]
    assert followed.updates[-1].result == RESULT
    assert server.count("status") == (0 if push else 3)
    assert server.count("push") == (2 if push else 0)
    submit = server.met[0][1]
    assert submit.headers["authorization"] == "Bearer token"
    assert submit.headers["content-type"] == "application/json"


# What the socket does, and how many status requests follow. After two of them the job is done.
SOCKETS: list[tuple[list[str], int]] = [
    (["done"], 0),
    (["failed"], 0),
    (["10", "10", "40", "done"], 0),
    (["10,40,failed"], 0),
    (["large"], 2),
    (["10,large"], 2),
    (["10,close"], 2),
    (["10,kill"], 2),
    (["10", "kill"], 2),
    (["kill"], 2),
    (["close"], 2),
    (["nonsense"], 2),
    (["10,nonsense,done"], 2),
    (["bytes"], 2),
    (["problem"], 2),
    (["10", "problem"], 2),
    (["nobody"], 2),
    (["forbidden"], 2),
    (["silence"], 2),
    (["10", "silence"], 2),
]


@pytest.mark.parametrize(("push", "status_requests"), SOCKETS, ids=lambda value: str(value))
def test_whatever_the_socket_does_the_job_ends_once(
    follows: Follow, push: list[str], status_requests: int
) -> None:
    timing = HASTY if "silence" in push else QUICK
    with MisbehavingServer(status=["40", "done"], push=tuple(push)) as server:
        followed = follows(server, timing=timing)

    assert followed.error is None
    terminal = [update for update in followed.updates if update.state.is_terminal]
    assert terminal == followed.updates[-1:]
    assert terminal[0].state == ("failed" if "failed" in push[-1] else "completed")
    assert all(one.progress <= next_.progress for one, next_ in pairwise(followed.updates))
    assert server.count("status") == status_requests
    assert server.count("generate") == 1


@pytest.mark.parametrize("trouble", ["500", "drop", "half", "html", "redirect", "slow", "drip"])
def test_trouble_on_the_way_is_survived(follows: Follow, trouble: str) -> None:
    timing = HASTY if trouble in {"slow", "drip"} else QUICK
    with MisbehavingServer(
        submit=[trouble, "accepted"], status=["10", trouble, "40", "done"]
    ) as server:
        followed = follows(server, timing=timing)

    assert followed.error is None
    assert [update.progress for update in followed.updates] == [0, 0, 10, 40, 100]
    assert (server.count("generate"), server.count("status")) == (2, 4)


@pytest.mark.parametrize(
    ("orders", "error"),
    [
        ({"submit": ["422"]}, ApiProblem),
        ({"submit": ["500"]}, ApiProblem),
        ({"submit": ["drop"]}, Unreachable),
        ({"submit": ["html"]}, ProtocolError),
        ({"submit": ["401"]}, ApiProblem),
        ({"status": ["10", "404"]}, ApiProblem),
        ({"status": ["10", "html"]}, ProtocolError),
        ({"status": ["10"]}, WaitTimeout),
        ({"push": ["10"], "status": ["10"]}, WaitTimeout),
    ],
)
def test_trouble_that_stays_has_a_name_and_the_job(
    follows: Follow, orders: dict[str, Any], error: type[SimmerError]
) -> None:
    with MisbehavingServer(**orders) as server:
        is_a_wait = "submit" not in orders and error is not ApiProblem
        followed = follows(server, deadline_seconds=1.0 if is_a_wait else 330.0)

    assert type(followed.error) is error
    assert followed.error.job.job_id == (None if "submit" in orders else JOB)
    assert not any(update.state.is_terminal for update in followed.updates)


def test_nobody_there_is_unreachable(follows: Follow) -> None:
    with MisbehavingServer() as server:
        pass  # it has had its time

    assert isinstance(follows(server).error, Unreachable)


def test_a_cached_answer_is_the_only_one(follows: Follow) -> None:
    with MisbehavingServer(submit=["cached"]) as server:
        followed = follows(server)

    assert [update.state for update in followed.updates] == [State.SUBMITTING, State.COMPLETED]
    assert followed.updates[-1].cached
    assert len(server.met) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_token_that_has_run_out_is_renewed_once(follows: Follow, asynchronous: bool) -> None:
    given = iter(["old", "new", "newer"])

    async def later() -> str:
        return next(given)

    if asynchronous and follows is follow:
        pytest.skip("the blocking client takes plain functions")
    token = later if asynchronous else lambda: next(given)
    with MisbehavingServer(good_token="new") as server:
        followed = follows(server, token=token)

    assert followed.updates[-1].state is State.COMPLETED
    assert next(given) == "newer"
    assert server.count("generate") == 2


def test_a_token_that_is_refused_stays_refused(follows: Follow) -> None:
    with MisbehavingServer(good_token="another") as server:
        fixed = follows(server, token="token")
        renewed = follows(server, token=lambda: "token")

    for followed in (fixed, renewed):
        assert isinstance(followed.error, ApiProblem)
        assert followed.error.status == 401
    assert len(server.met) == 3


def test_a_failure_of_the_function_for_the_token_is_the_cause_of_the_end(follows: Follow) -> None:
    trouble = OSError("the key ring is locked")

    def no_token() -> str:
        raise trouble

    with MisbehavingServer() as server:
        followed = follows(server, token=no_token)

    assert isinstance(followed.error, Unreachable)
    assert followed.error.__cause__ is trouble
    assert "no token to be had (OSError)" in str(followed.error)  # the text may hold a token
    assert server.met == []


def test_a_function_for_the_token_that_never_returns_ends_with_a_name(follows: Follow) -> None:
    released = threading.Event()

    async def never() -> str:
        await asyncio.sleep(3600)
        return ""

    def hang() -> str:
        released.wait()
        return ""

    with MisbehavingServer() as server:
        followed = follows(server, token=hang if follows is follow else never, timing=HURRIED)
    released.set()

    assert isinstance(followed.error, Unreachable)
    assert "no token in time" in str(followed.error)
    assert server.met == []


def test_who_waits_for_anothers_token_that_never_comes_ends_with_a_name() -> None:
    released = threading.Event()

    def hang() -> str:
        released.wait()
        return ""

    with (
        MisbehavingServer() as server,
        Client(server.url, hang, timing=HURRIED) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        ended = [pool.submit(client.get, "recipe", JOB) for _ in range(4)]
        errors = [each.exception() for each in ended]
        released.set()

    assert {type(error) for error in errors} == {Unreachable}


@pytest.mark.parametrize("token", ["geh\neim", "geheim ", " geheim", "geh\teim", "gehëim"])
def test_a_token_that_cannot_be_one_is_not_shown(follows: Follow, token: str) -> None:
    with MisbehavingServer() as server, pytest.raises(ValueError, match="the token") as caught:
        follows(server, token=token)

    assert "eim" not in str(caught.value)


@pytest.mark.parametrize("seconds", [float("nan"), -1])
def test_a_deadline_that_is_none_is_refused(follows: Follow, seconds: float) -> None:
    with MisbehavingServer() as server, pytest.raises(ValueError, match="deadline_seconds"):
        follows(server, deadline_seconds=seconds)

    assert server.met == []


@pytest.mark.parametrize("url", ["", "127.0.0.1:3000", "ftp://x.test", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Client(url)


def test_the_push_token_is_in_no_log(follows: Follow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with MisbehavingServer(push=["10", "done"]) as server:
        follows(server)

    assert "push-token" not in caplog.text


# ── One operation at a time ───────────────────────────────────────────────────────────────────────


def test_the_blocking_operations() -> None:
    with (
        MisbehavingServer(status=["10", "done"], cancel=["10"]) as server,
        Client(server.url, "token", timing=QUICK) as client,
    ):
        job = client.submit("recipe", BODY)
        assert (job.task, job.job_id, job.state) == ("recipe", JOB, State.POLLING)
        assert client.get("recipe", JOB).progress == 10
        seen: list[int] = []
        assert job.wait(on_update=lambda update: seen.append(update.progress)).result == RESULT
        assert seen == [0, 100]
        assert client.wait("recipe", JOB).result == RESULT
        assert client.cancel("recipe", JOB).state is State.CANCELLED
        assert client.resume("recipe", JOB).get().result == RESULT


def test_the_asynchronous_operations() -> None:
    async def main(url: str) -> None:
        async with AsyncClient(url, "token", timing=QUICK) as client:
            job = await client.submit("recipe", BODY)
            assert (job.task, job.job_id, job.state) == ("recipe", JOB, State.POLLING)
            assert (await client.get("recipe", JOB)).progress == 10
            seen: list[int] = []
            done = await job.wait(on_update=lambda update: seen.append(update.progress))
            assert (done.result, seen) == (RESULT, [0, 100])
            assert (await client.wait("recipe", JOB)).result == RESULT
            assert (await client.cancel("recipe", JOB)).state is State.CANCELLED
            assert (await client.resume("recipe", JOB).get()).result == RESULT

    with MisbehavingServer(status=["10", "done"], cancel=["10"]) as server:
        asyncio.run(main(server.url))


@pytest.mark.parametrize(("end", "error"), [("failed", JobFailed), ("cancelled", JobCancelled)])
def test_an_end_without_a_result_raises_in_wait(end: str, error: type[SimmerError]) -> None:
    async def main(url: str) -> None:
        async with AsyncClient(url, timing=QUICK) as client:
            await client.job("recipe", BODY).wait()

    with MisbehavingServer(status=[end]) as server:
        with Client(server.url, timing=QUICK) as client, pytest.raises(error):
            client.job("recipe", BODY).wait()
        with pytest.raises(error):
            asyncio.run(main(server.url))


# ── Cancel while somebody follows ─────────────────────────────────────────────────────────────────

SLOW = replace(QUICK, shortest_poll=3600.0, longest_poll=3600.0, resubscribe=300.0)


@pytest.mark.parametrize("said", ["cancelled", "10", "done"])
@pytest.mark.parametrize("push", [None, ["10"]])
def test_a_cancel_wakes_who_follows(said: str, push: list[str] | None) -> None:
    """Without it, they would sleep for an hour, or listen for five minutes."""
    with (
        MisbehavingServer(status=["10"], push=push, cancel=[said]) as server,
        Client(server.url, timing=SLOW, deadline_seconds=7200) as client,
    ):
        job = client.submit("recipe", BODY)
        updates: list[Update] = []
        follower = threading.Thread(target=lambda: updates.extend(job.updates()))
        follower.start()
        assert (server.subscribed if push else server.polled).wait(30)
        ended = job.cancel()
        follower.join(60)

    assert not follower.is_alive()
    assert ended.state == ("completed" if said == "done" else "cancelled")
    assert [update for update in updates if update.state.is_terminal] == [ended]
    assert server.count("status") == (0 if push else 1)


@pytest.mark.parametrize("said", ["cancelled", "10", "done"])
@pytest.mark.parametrize("push", [None, ["10"]])
def test_an_asynchronous_cancel_wakes_who_follows(said: str, push: list[str] | None) -> None:
    async def main(server: MisbehavingServer) -> tuple[Update, list[Update]]:
        async with AsyncClient(server.url, timing=SLOW, deadline_seconds=7200) as client:
            job = await client.submit("recipe", BODY)
            updates: list[Update] = []
            follower = asyncio.create_task(job.wait(on_update=updates.append))
            met = server.subscribed if push else server.polled
            assert await asyncio.to_thread(met.wait, 30)
            ended = await job.cancel()
            await asyncio.wait([follower], timeout=60)
            assert follower.done()
            assert isinstance(follower.exception(), JobCancelled | None)
            return ended, updates

    with MisbehavingServer(status=["10"], push=push, cancel=[said]) as server:
        ended, updates = asyncio.run(main(server))

    assert ended.state == ("completed" if said == "done" else "cancelled")
    assert [update for update in updates if update.state.is_terminal] == [ended]
    assert server.count("status") == (0 if push else 1)


def test_a_cancel_between_two_updates_is_the_next_one() -> None:
    with MisbehavingServer(status=["10"]) as server, Client(server.url, timing=QUICK) as client:
        job = client.job("recipe", BODY)
        states = []
        for update in job.updates():
            states.append(update.state)
            if update.progress == 10:
                job.cancel()

    assert states[-2:] == [State.POLLING, State.CANCELLED]


def test_who_stops_following_leaves_no_socket_and_may_go_on() -> None:
    async def main(server: MisbehavingServer) -> None:
        async with AsyncClient(server.url, timing=QUICK) as client:
            job = client.job("recipe", BODY)
            async with aclosing(job.updates()) as updates:
                async for update in updates:
                    if update.progress == 10:
                        break
            assert job._socket is None
            assert (await job.wait()).result == RESULT

    with MisbehavingServer(push=["10"]) as server, Client(server.url, timing=QUICK) as client:
        job = client.job("recipe", BODY)
        for update in job.updates():
            if update.progress == 10:
                break
        assert job._socket is None
        assert job.wait().result == RESULT
        asyncio.run(main(server))


# ── An answer in parts ────────────────────────────────────────────────────────────────────────────

PARTS = [Part(1, "Egg rice", RECIPES[1]), Part(0, "Fried egg", RECIPES[0])]
IN_PARTS = ["titles", "second", "titles", "both", "done"]


def in_two_recipes(**orders: Any) -> MisbehavingServer:
    return MisbehavingServer(result={"recipes": RECIPES}, **orders)


@pytest.mark.parametrize("orders", [{"status": IN_PARTS}, {"push": [",".join(IN_PARTS)]}])
def test_each_part_is_handed_out_once(orders: dict[str, Any]) -> None:
    async def main(url: str) -> list[Part]:
        async with AsyncClient(url, "token", timing=QUICK) as client:
            return [part async for part in client.job("recipe", BODY).parts()]

    with (
        in_two_recipes(**orders) as server,
        Client(server.url, "token", timing=QUICK) as client,
    ):
        job = client.job("recipe", BODY)
        assert list(job.parts()) == PARTS
        assert job.last.result == {"recipes": RECIPES}
    with in_two_recipes(**orders) as server:
        assert asyncio.run(main(server.url)) == PARTS


def test_parts_go_on_where_they_were_left() -> None:
    with (
        in_two_recipes(status=IN_PARTS) as server,
        Client(server.url, "token", timing=QUICK) as client,
    ):
        job = client.job("recipe", BODY)
        first = next(iter(job.parts()))
        resumed = list(client.resume("recipe", JOB).parts())

        assert [first, *job.parts()] == PARTS
        assert sorted(part.position for part in resumed) == [0, 1]


@pytest.mark.parametrize("run", [follow, follow_async])
def test_updates_show_titles_and_what_is_there(run: Callable[..., Followed]) -> None:
    with in_two_recipes(status=[*IN_PARTS[:-1], "failed"]) as server:
        updates = run(server).updates

    shown = [len((each.partial_result or {"recipes": []})["recipes"]) for each in updates]
    assert shown == sorted(shown)
    assert updates[-1].partial_result == {"recipes": RECIPES}
    assert [entry.title for entry in updates[-1].outline] == ["Fried egg", "Egg rice"]
