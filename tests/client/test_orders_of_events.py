"""Every order in which a few things can happen: the promises hold in all of them."""

from itertools import pairwise, product

import pytest

from simmer_client import ApiProblem, ProtocolError, Update
from simmer_client.effects import Connect, Disconnect, Lost, Receive, Send, Sleep
from simmer_client.rules import Policy
from tests.client.driving import ANSWERS, FRAMES, OFFER, RESULT, Trace, World, submitted

TRUSTED = ("queued", "10", "40", "ahead", "silence")
ENDS = {"done": "completed", "failed": "failed", "cancelled": "cancelled"}


def check(trace: Trace) -> None:
    updates = trace.updates
    terminal = [update for update in updates if update.state.is_terminal]
    if trace.error is None:
        assert len(terminal) == 1
        assert updates[-1] is terminal[0]
        is_completed = terminal[0].state == "completed"
        assert terminal[0].result == (RESULT if is_completed else None)
    else:
        assert isinstance(trace.error, ApiProblem | ProtocolError)
        assert terminal == []
    assert all(one.progress <= next_.progress for one, next_ in pairwise(updates))
    assert trace.seconds <= 331


def check_fallback(trace: Trace) -> None:
    """The socket first; then never again, and the first question comes without a pause."""
    kinds = [type(each) for each in trace.effects]
    if trace.status_requests:
        first = trace.effects.index(trace.status_requests[0])
        assert not {Connect, Send, Receive} & set(kinds[first:])
        assert Sleep not in kinds[:first]
        assert kinds[first - 1] is Disconnect
    assert kinds.count(Connect) == 1


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_any_order_of_answers_ends_once(length: int) -> None:
    for names in product(ANSWERS, repeat=length):
        world = World(submitted(), *(ANSWERS[name] for name in names))

        trace = world.run(world.following().follow())

        check(trace)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_any_order_of_frames_ends_once(length: int) -> None:
    for names in product(FRAMES, repeat=length):
        world = World(submitted(push=OFFER), frames=[FRAMES[name] for name in names])

        trace = world.run(world.following().follow())

        check(trace)
        check_fallback(trace)
        assert trace.error is None
        first_end = next((name for name in names if name not in TRUSTED), "done")
        # Twice silent is dead: an answer was due after the first of it. Once it has ended, or
        # the socket has failed, nothing that comes later counts.
        if "silence" not in names:
            assert trace.updates[-1].state == ENDS.get(first_end, "completed")
            assert (trace.status_requests == []) == (first_end in ENDS)


def test_any_order_of_frames_and_then_answers_ends_once() -> None:
    for frames, answers in product(product(FRAMES, repeat=2), product(ANSWERS, repeat=2)):
        world = World(
            submitted(push=OFFER),
            *(ANSWERS[name] for name in answers),
            frames=[*(FRAMES[name] for name in frames), Lost("closed")],
        )

        trace = world.run(world.following().follow())

        check(trace)
        check_fallback(trace)


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize(("push", "frame"), [(None, ""), (OFFER, "10"), (OFFER, "ahead")])
def test_a_cancel_at_any_moment_ends_it_once(at: int, push: object, frame: str) -> None:
    """The server keeps the job open, for others wait for it; a cancel comes before effect `at`."""
    open_answers = [ANSWERS["10"]] * 10
    frames = [FRAMES[frame], None, None, None] if frame else []
    world = World(submitted(push=push), *open_answers, frames=frames * 4)
    following = world.following(Policy())
    steps = following.follow()
    trace, came_of_it = Trace(), None
    for i in range(100):
        if i == at:
            world.run(following.cancel())
        try:
            effect = steps.send(came_of_it)
        except StopIteration:
            break
        trace.effects.append(effect)
        came_of_it = world.perform(effect)

    assert [update.state for update in trace.updates if update.state.is_terminal] == ["cancelled"]
    assert trace.updates[-1].state == "cancelled"
    # Nothing is shown after it that was ahead.
    assert [type(each) for each in trace.effects[at:]].count(Update) <= 1
