"""The rules, driven without time or sockets: scripted answers, a clock that only sleeps move."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simmer_client import SimmerError, Update
from simmer_client.effects import (
    Call,
    Connect,
    Disconnect,
    Effect,
    Lost,
    Receive,
    Send,
    Sleep,
    Steps,
    Unset,
)
from simmer_client.rules import Following, Policy
from simmer_client.wire import Answer

JOB = "0123456789abcdef"
RESULT: dict[str, Any] = {"recipes": []}
OFFER = {"url": "ws://push.test/", "token": "push-token"}


def answer(status: int, document: object = None, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, names, json.dumps(document).encode())


def status(word: str, progress: int, **fields: Any) -> dict[str, Any]:
    return {"jobId": JOB, "status": word, "progress": progress, "pollAfterMs": 1000, **fields}


RECIPES = [{"name": "Fried egg"}, {"name": "Egg rice"}]


def in_parts(*ready: int) -> dict[str, Any]:
    """What a document says of an answer of two recipes, with those that are there."""
    titles = [recipe["name"] for recipe in RECIPES]
    states = ["ready" if at in ready else "waiting" for at, _ in enumerate(titles)]
    outline = [
        {"title": title, "state": state} for title, state in zip(titles, states, strict=True)
    ]
    partial = {"recipes": [RECIPES[at] for at in ready]}
    return {"outline": outline, **({"partialResult": partial} if ready else {})}


def submitted(push: object = None) -> Answer:
    offered = {} if push is None else {"push": push}
    return answer(202, {"jobId": JOB, "status": "submitted", "message": "Accepted.", **offered})


ANSWERS: dict[str, Answer | Lost] = {
    "10": answer(200, status("processing", 10)),
    "40": answer(200, status("processing", 40)),
    "queued": answer(200, status("pending", 3)),
    "500": answer(500, {"code": "internal"}),
    "503, later": answer(503, {"code": "dependency_unavailable"}, retry_after="7"),
    "429": answer(429, {"message": "Too Many Requests"}),
    "lost": Lost("gone"),
    "html": Answer(200, {}, b"<html>"),
    "404": answer(404, {"code": "job_not_found", "title": "No such job"}),
    "done": answer(200, status("completed", 100, result=RESULT)),
    "failed": answer(200, status("failed", 95, error="No.", errorCode="refused", retryable=False)),
    "cancelled": answer(200, status("cancelled", 95)),
}

AHEAD: list[Any] = [
    {"afterMs": 5000, "progress": 30, "stage": "generating", "message": "Writing."},
    {"afterMs": 10_000, "progress": 50, "estimatedSecondsRemaining": 9},
]

# What a socket may bring; None is silence.
FRAMES: dict[str, str | bytes | Lost | None] = {
    "queued": json.dumps(status("pending", 3, stage="queued")),
    "10": json.dumps(status("processing", 10)),
    "40": json.dumps(status("processing", 40)),
    "ahead": json.dumps(status("processing", 20, askAfterMs=30_000, ahead=AHEAD)),
    "silence": None,
    "closed": Lost("closed"),
    "bytes": b"\x00",
    "nonsense": "}{",
    "foreign": json.dumps({**status("completed", 100, result=RESULT), "jobId": "another"}),
    "problem": json.dumps({"type": "about:blank", "status": 401, "code": "invalid_push_token"}),
    "large": json.dumps(status("completed", 100)),
    "done": json.dumps(status("completed", 100, result=RESULT)),
    "failed": json.dumps(status("failed", 95, error="No.", errorCode="refused")),
    "cancelled": json.dumps(status("cancelled", 95)),
}


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Trace:
    """What the rules wanted, in order, and how it ended."""

    effects: list[Effect] = field(default_factory=list)
    error: SimmerError | None = None
    seconds: float = 0.0

    @property
    def updates(self) -> list[Update]:
        return [each for each in self.effects if isinstance(each, Update)]

    @property
    def calls(self) -> list[Call]:
        return [each for each in self.effects if isinstance(each, Call)]

    @property
    def status_requests(self) -> list[Call]:
        return [call for call in self.calls if "/status/" in call.path]

    @property
    def sleeps(self) -> list[float]:
        return [each.seconds for each in self.effects if isinstance(each, Sleep)]


class World:
    """A network that does as it is told; when it has no more orders, the job is done."""

    def __init__(
        self,
        *answers: Answer | Lost | Unset,
        frames: Iterable[str | bytes | Lost | None] = (),
        connects: bool = True,
    ) -> None:
        self.clock = Clock()
        self.answers = iter(answers)
        self.frames: Iterator[str | bytes | Lost | None] = iter(frames)
        self.connects = connects

    def following(self, policy: Policy | None = None, **what: Any) -> Following:
        if "job_id" not in what:
            what.setdefault("body", {"ingredients": ["egg"]})
        return Following("recipe", policy or Policy(), clock=self.clock, chance=lambda: 1.0, **what)

    def before(self, operation: str) -> Following:
        """A job on which `operation` makes sense: unsent for a submit, else known by its id."""
        return self.following() if operation == "submit" else self.following(job_id=JOB)

    def run(self, steps: Steps[None], came_of_it: object = None) -> Trace:
        """Carry everything out; `came_of_it` is of the last effect, if some were before."""
        trace, started_at = Trace(), self.clock.seconds
        try:
            while True:
                effect = steps.send(came_of_it)
                trace.effects.append(effect)
                assert len(trace.effects) < 5000, "it goes on for ever"
                came_of_it = self.perform(effect)
        except StopIteration:
            pass
        except SimmerError as error:
            trace.error = error
        trace.seconds = self.clock.seconds - started_at
        return trace

    def perform(self, effect: Effect) -> object:
        match effect:
            case Call():
                return next(self.answers, ANSWERS["done"])
            case Sleep(seconds):
                assert seconds > 0
                self.clock.seconds += seconds
            case Connect():
                return None if self.connects else Lost("refused")
            case Receive(timeout_seconds):
                assert timeout_seconds > 0
                frame = next(self.frames, FRAMES["done"])
                if frame is None:
                    self.clock.seconds += timeout_seconds
                return frame
            case Send() | Disconnect() | Update():
                pass
        return None
