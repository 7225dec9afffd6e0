"""An answer for any task: its own `answer`, brought to fit another request than its example.

What the answer shares with the example is taken from the request instead (`adapting`). If the
task's `check` is not content then, small changes are tried (`changes`), at the places that the
complaints name and with the values that they name, as a model does that is told of its mistakes.
"""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from local.model.adapting import adapted
from local.model.changes import Changes
from local.model.made_up import made_up
from local.model.own import answer_of
from local.model.places import Path, at, leaves, place_of, put
from simmer.task import AnyTask
from simmer.task.answers import Misfit, read_answer

type Json = dict[str, Any]

TRIES = 3000
_A_TYPE_ERROR = 100  # worse than any number of complaints about the fit
_STEP_BACK = 0.1
_NO_WORSE = 0.3  # for what changes and does not help wears away what was good
_PATIENCE = 120  # tries without progress; then from the best one again, or from the start
_NEW_PIECES = 200
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-]|\.\d)")

__all__ = ["TRIES", "adapted", "complaints", "good_answer"]


def good_answer(task: AnyTask, request: Json) -> Json:
    """A result for the request, as JSON: plausible, the same each time, and fitting, if one that
    fits is found within `TRIES`; else the one with the fewest complaints."""
    if own := answer_of(task.name):
        return own(request)
    # Seeded, so that the same request gets the same answer from any process.
    canonical = json.dumps(request, sort_keys=True)
    chance = random.Random(hashlib.sha256(f"{task.name} {canonical}".encode()).digest())
    judge = _Judge(task, request)
    start = best = now = judge(adapted(task, request))
    if not best.complaints:
        return best.answer
    changes = Changes(task, request, chance)
    step = _Steps(chance)
    lowest, since = now.score, 0  # since it went forward from where it began
    for number in range(TRIES):
        if number % _NEW_PIECES == 0:
            changes.pieces = [*made_up(task.result_model, chance), dict(task.answer)]
        tried = judge(changes.of(now.answer, now.complaints))
        now = tried if step.is_taken(now, tried) else now
        since += 1
        if tried.score < lowest:
            lowest, since = tried.score, 0
        if tried.score < best.score:
            best = tried
            if not best.complaints:
                break
        if since > _PATIENCE:
            now = chance.choice((start, start, best))
            lowest, since, step = now.score, 0, _Steps(chance)
    return _taken_back(judge, best, start.answer).answer


def complaints(task: AnyTask, request: Json, answer: Json) -> int:
    """How much is wrong with an answer; 0 if it would be delivered."""
    judged = _Judge(task, request)(answer)
    return len(judged.complaints) * (_A_TYPE_ERROR if judged.score >= _A_TYPE_ERROR else 1)


@dataclass(frozen=True)  # but for what is cached
class _Judged:
    answer: Json
    complaints: Sequence[str]
    score: float  # 0 if it fits; smaller is better

    @cached_property
    def places(self) -> frozenset[Path]:
        return frozenset(place_of(each)[0] for each in self.complaints)


class _Steps:
    """Which changes are kept. One that makes it no worse is, and now and then a step back: a longer
    list may need another sum. A complaint about another place is seldom welcome, even where others
    go by it: a list without its items has none about them. How seldom differs from run to run."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._aside = chance.choice((_STEP_BACK, 0.3, 0.6))

    def is_taken(self, now: _Judged, tried: _Judged) -> bool:
        if tried.score >= int(now.score) + 2:
            return False
        likely = _STEP_BACK
        if not tried.places <= now.places:
            likely = self._aside if tried.score <= now.score else _STEP_BACK
        elif tried.score <= now.score:
            likely = 1 if tried.score < now.score else _NO_WORSE
        return self._chance.random() < likely


class _Judge:
    """Holds answers against the types and the check, for one request."""

    def __init__(self, task: AnyTask, request: Json) -> None:
        self._task = task
        self._asked = task.wire_model.model_validate_json(json.dumps(request))

    def __call__(self, answer: Json) -> _Judged:
        text = json.dumps(answer)
        try:
            result = self._task.result_model.model_validate_json(text)
        except ValidationError as error:
            found = [
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                for each in error.errors(include_url=False, include_context=False)
            ]
            return _Judged(answer, found, _A_TYPE_ERROR * len(found))
        try:
            found = list(self._task.check(self._asked, result))
        except Exception as error:  # it may be right not to expect what pydantic alone lets pass
            found = [f"the check fails: {error!r}"]
        try:
            read_answer(self._task.result_model, text)
        except Misfit as misfit:
            found += misfit.complaints
        near = [_distance(answer, each) for each in found]
        return _Judged(answer, found, len(found) + 0.9 * sum(near) / max(1, len(near)))


def _distance(answer: Json, complaint: str) -> float:
    """From 0 to 1: how far what is there is from what should be, as far as a complaint's numbers
    show it. It orders answers with as many complaints."""
    place, message = place_of(complaint)
    numbers = [float(each) for each in _NUMBER.findall(message)]
    try:
        there = at(answer, place)
    except (LookupError, TypeError):
        there = None
    if type(there) in (int, float):
        numbers.insert(0, there)
    elif isinstance(there, list) and len(numbers) == 1:
        numbers.insert(0, len(there))
    if len(numbers) < 2:
        return 1
    one, other = numbers[:2]
    return abs(one - other) / (abs(one) + abs(other) + 1)


def _taken_back(judge: _Judge, best: _Judged, start: Json) -> _Judged:
    """Without the changes that were not needed."""
    for path in [path for path, _ in leaves(best.answer)]:
        try:
            before = at(start, path)
        except (LookupError, TypeError):
            continue
        if at(best.answer, path) == before:
            continue
        tried = judge(put(best.answer, path, before))
        if len(tried.complaints) <= len(best.complaints) and tried.score <= best.score:
            best = tried
    return best
