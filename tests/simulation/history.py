"""The events of one schedule, as clients saw them and as the table stored them, and the check that
they keep Simmer's promises.

Every promise has a name, which a violation carries:

| promise                         | what it says                                                  |
| ------------------------------- | ------------------------------------------------------------- |
| a 202 is durable                | job and message are stored before it is said                  |
| every job ends                  | no client sees it open after its deadline                     |
| nothing after the deadline      | a worker writes no end then, unless the write was on its way  |
|                                 | for more than 13 s, and no client was told that it has failed |
| terminal is final               | in the table and in what clients see                          |
| allowed transitions             | only the arrows that `simmer.jobs.job` draws                  |
| a cancel ends only what nobody else wants | nor anything that nobody cancelled                  |
| a cancel is heard               | who is alone with a job and cancels it, sees it ended         |
| one live run                    | a job under way is not admitted over                          |
| one completion a run            |                                                               |
| one worker at a time            | no lease is taken while it runs, skew allowed for             |
| a healthy worker keeps its job  | no lease is taken from a worker that met no fault             |
| a worker is told to stop        | a call for a job that was cancelled goes on for ten seconds   |
|                                 | at most, where its worker met no fault                        |
| a worker ends in time           | one that met no fault does not run into the function's end    |
| an invocation has an answer     | whatever meets its jobs, and its receiving                    |
| taken over in time              | another claims a killed worker's job within half a minute     |
| the model is paid once          | no more calls than claims, those that brought nothing, and    |
|                                 | one beside each slow one; if no worker was harmed, no more    |
|                                 | than runs instead of claims                                   |
| no call escapes the budget      | with a rung of unknown price in the ladder no model is asked  |
| usage is counted once           | no item has more calls than were answered; if no worker was   |
|                                 | harmed, none has fewer                                        |
| the ledger has each call once   | unless one of its own writes met a fault; as many as were     |
|                                 | answered if no worker was harmed                              |
| one fault costs no job          | whatever one call of a worker meets, every job completes      |
| a throttled job is tried again  | a provider short of capacity for a while costs no job         |
| an outage costs no job          | nor does a service out of reach for a while                   |
| the quota counts each job once  |                                                               |
| the queue drains                | the dead-letter queue too, when it is sent back               |
| only valid results              | of the request that was made                                  |
| nobody else's job               |                                                               |
| no job is lost                  | what was accepted is found                                    |
| progress goes forward, 100 only when stored |                                                   |
| a part that stands stays        | nor does the outline change while the run lasts               |
| a part that stands is in the result | byte for byte, in the outline's order                     |
| a result keeps to its outline   | its names are the titles                                      |
| only who has the job writes parts |                                                             |
| no part of another run          | a new run begins with none                                    |
| what was seen only grows        | for each client, to the result or the failure                 |
| parts in the outline's order    | as many as it says are ready; none after a cancel             |
| a cached status is late by no   | it is what the table had 250 ms before it was asked for, or   |
| more than the bound             | after; what clients see then holds for who asks 250 ms after  |
|                                 | an answer came, to whomever                                   |

What happens to the table inside the shipped code is only noted (`violation`), for that code would
take an exception of ours for one of its own; what clients meet is raised at once.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from simmer.jobs.job import Usage
from simmer.table import deserialized
from tests.simulation.virtual_loop import Process

OPEN = ("pending", "processing")
TERMINAL = ("completed", "failed", "cancelled")
ALLOWED = {
    ("pending", "processing"),
    ("processing", "processing"),
    ("pending", "pending"),  # somebody came or went
    ("pending", "cancelled"),
    ("processing", "cancelled"),
    ("pending", "failed"),  # a reader met it past its deadline
    ("processing", "pending"),
    ("processing", "completed"),
    ("processing", "failed"),
}

# How many recipes are asked for, by ingredient.
COUNTS = {"egg": 1, "tofu": 3, "leek": 2}

# By how much the clock of a process may be off, either way.
MAX_SKEW_MS = 1000
# A killed worker's lease has to run out, by any clock; its message may come back a moment before,
# and is then hidden for what is left.
TAKEOVER_MS = 30_000
# A write that took longer to reach the table than this, from when its worker looked at the clock,
# may be one too late. It must not be taken once a client has been told that the job has failed.
PUNCTUAL_MS = 13_000
# A worker that met no fault leaves a job so long after it was cancelled at the latest.
STOP_MS = 10_000
# More answers than come in the time by which a cached status may be late.
FEW = 20
# What is claimed too shortly before its deadline cannot end in time.
TOO_LATE_MS = 20_000


def count_of(ingredient: str) -> int:
    """The recipes that are asked for with this ingredient, `ann egg` or the like."""
    return COUNTS[ingredient.rpartition(" ")[2]]


class Violation(AssertionError):
    """A promise was broken."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


@dataclass(slots=True)
class Run:
    """One admitted run of a job, by what was written to its item."""

    job_id: str
    run_id: str
    owner: str
    ingredient: str
    deadline_at_ms: int
    created_at_ms: int
    admitted_at_ms: float
    is_shared: bool
    is_cancelled: bool = False
    claims: int = 0
    completions: int = 0
    holder: Process | None = None  # who has the lease, or had it last if it ran out
    orphaned_at_ms: float | None = None  # when its holder was killed
    stopped: tuple[Process, float] | None = None  # who had it when it was cancelled, and when
    standing: dict[str, str] = field(default_factory=dict)  # the outline and the parts

    def __str__(self) -> str:
        return f"run {self.run_id[:6]} of job {self.job_id[:6]} ({self.ingredient})"


@dataclass(slots=True)
class History:
    """All that can be known from outside about one schedule. Times are true epoch milliseconds."""

    on_violation: Callable[[], None] = lambda: None
    violation: Violation | None = None  # the first
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    # By job id and createdAt, which tells runs apart: when each was received, and the document.
    documents: dict[tuple[str, str], list[tuple[float, dict[str, Any]]]] = field(
        default_factory=dict
    )
    # By job id: who was told that it is theirs, when they asked and when they were told.
    accepted: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    cancelled: dict[str, set[str]] = field(default_factory=dict)  # by job id: who has asked for it
    ingredients: dict[str, str] = field(default_factory=dict)  # job id -> what was asked for
    model_calls: Counter[str] = field(default_factory=Counter)  # by ingredient
    useless_calls: Counter[str] = field(default_factory=Counter)  # those that brought no answer
    # Those that took longer than workers know of their kind: each may have a second one beside it.
    slow_calls: Counter[str] = field(default_factory=Counter)
    usual_seconds: float = math.inf
    answers: Counter[str] = field(default_factory=Counter)  # those that reached a worker
    asked_again: list[str] = field(default_factory=list)  # parts that stood already
    rooms: dict[str, int] = field(default_factory=dict)  # the most jobs at once, by worker
    late_ms: float = 0.0  # by how much a status may be late: with a cache, else not at all

    def violated(self, promise: str, what: str) -> None:
        """Note what was broken where it cannot be raised."""
        if self.violation is None:
            self.violation = Violation(promise, what)
            self.on_violation()

    # ------------------------------------------------------------ the table

    def wrote(
        self, before: Any, after: Any, *, writer: Process | None, age_ms: float, now_ms: float
    ) -> None:
        """A job's item went from `before` to `after` (DynamoDB items, `before` may be None), by a
        request of that age that its `writer` still waited for (None: no more)."""
        if before is None or before["run_id"] != after["run_id"]:
            if before is not None and not _is_replaceable(before, now_ms):
                self.violated("one live run", f"{_text(before, 'status')} was admitted over")
            run = Run(
                _text(after, "job_id"),
                _text(after, "run_id"),
                _text(after, "owner"),
                json.loads(_text(after, "request"))["ingredients"][0],
                _number(after, "deadline_at_ms"),
                _number(after, "created_at_ms"),
                now_ms,
                after["is_shared"]["BOOL"],
            )
            if left := _standing(after):
                self.violated("no part of another run", f"{run} began with {sorted(left)}")
            self.runs[run.job_id, run.run_id] = run
            return
        run = self.runs[_text(after, "job_id"), _text(after, "run_id")]
        was, becomes = _text(before, "status"), _text(after, "status")
        if was in TERMINAL:
            if _outcome(before) != _outcome(after):
                self.violated("terminal is final", f"{run}: {was} became {becomes}")
            return
        if (was, becomes) not in ALLOWED:
            self.violated("allowed transitions", f"{run}: {was} became {becomes}")
        if becomes == "cancelled":
            self._check_cancelled(run)
        self._check_parts(run, before, after, writer)
        self._note(run, before, after, writer, now_ms)
        is_workers = becomes in ("completed", "failed") and not _is_expired(after)
        is_late = now_ms - MAX_SKEW_MS >= run.deadline_at_ms
        if is_workers and is_late and age_ms <= PUNCTUAL_MS:
            self.violated("nothing after the deadline", f"{run}: {becomes} was written late")

    def _check_parts(self, run: Run, before: Any, after: Any, writer: Process | None) -> None:
        had, has = _standing(before), _standing(after)
        run.standing = has
        if gone := [name for name, text in had.items() if has.get(name) != text]:
            self.violated("a part that stands stays", f"{run}: {gone} went or changed")
        is_beat = before.get("lease_token") == after.get("lease_token")
        if has.keys() - had.keys() and is_beat and writer and writer is not run.holder:
            self.violated("only who has the job writes parts", f"{run}: {writer.name} wrote one")
        if _text(after, "status") == "completed":
            result = _text(after, "result")
            places = [result.find(has[name]) for name in sorted(has) if name != "outline"]
            if -1 in places or places != sorted(places):
                self.violated("a part that stands is in the result", f"{run}: {has}, {result}")
            if "outline" in has:
                titles = [plan["title"] for plan in json.loads(has["outline"])["recipes"]]
                names = [recipe["name"] for recipe in json.loads(result)["recipes"]]
                if names != titles:
                    self.violated("a result keeps to its outline", f"{run}: {names}, {titles}")

    def asks_for_part(self, ingredient: str, title: str) -> None:
        """The model is asked for the part of that title."""
        for run in self.runs.values():
            plans = json.loads(run.standing.get("outline", '{"recipes": []}'))["recipes"]
            for i, plan in enumerate(plans):
                if plan["title"] == title and f"part_{i}" in run.standing:
                    self.asked_again.append(f"{run}: part {i}")
                if plan["title"] == title and run.ingredient != ingredient:
                    self.violated("only valid results", f"{title} of {run} asked for {ingredient}")

    def call_ended(self, process: Process, ingredient: str, now_ms: float) -> None:
        """A worker waits no longer for a call of the model; it may have done so for too long."""
        runs = [run for run in self.runs.values() if run.ingredient == ingredient]
        left = [run.stopped[1] for run in runs if run.stopped and run.stopped[0] is process]
        has_it = any(run.holder is process for run in runs)
        if left and not has_it and process.is_unharmed and now_ms - max(left) > STOP_MS:
            seconds = (now_ms - max(left)) / 1000
            self.violated("a worker is told to stop", f"{process.name}: only after {seconds:.1f} s")

    def _note(
        self, run: Run, before: Any, after: Any, writer: Process | None, now_ms: float
    ) -> None:
        """Note which worker has the job now."""
        was, becomes = _text(before, "status"), _text(after, "status")
        if becomes == "completed":
            run.completions += 1
        if becomes == "cancelled" and run.holder:
            run.stopped = run.holder, now_ms
        if becomes != "processing":
            run.holder = run.orphaned_at_ms = None
        elif before.get("lease_token") != after["lease_token"]:
            self._claimed(run, before if was == "processing" else None, now_ms)
            run.claims += 1
            run.holder = writer
            self._check_room(writer)

    def _check_room(self, worker: Process | None) -> None:
        """Of a worker that met no fault: a lost answer leaves a lease that nobody knows of."""
        if worker is None or not worker.is_unharmed:
            return
        held = [str(run) for run in self.runs.values() if run.holder is worker]
        if len(held) > self.rooms.get(worker.name, len(held)):
            self.violated("no more jobs than there is room for", f"{worker.name} has {held}")

    def _check_cancelled(self, run: Run) -> None:
        run.is_cancelled = True
        cancelled = self.cancelled.get(run.job_id, set())
        others = [
            user
            for user, times in self.accepted.get(run.job_id, {}).items()
            if user not in cancelled and any(asked >= run.admitted_at_ms for asked, _ in times)
        ]
        if others or not cancelled:
            self.violated(
                "a cancel ends only what nobody else wants",
                f"{run}: cancelled by {sorted(cancelled)}, wanted by {others}",
            )

    def _claimed(self, run: Run, taken_from: Any, now_ms: float) -> None:
        if taken_from:
            if now_ms + MAX_SKEW_MS < _number(taken_from, "lease_expires_at_ms"):
                self.violated("one worker at a time", f"{run}: its lease still ran")
            if run.holder and run.holder.alive and run.holder.is_unharmed:
                self.violated(
                    "a healthy worker keeps its job",
                    f"{run} was taken from {run.holder.name}, which met no fault",
                )
        if run.orphaned_at_ms is not None and now_ms - run.orphaned_at_ms > TAKEOVER_MS:
            seconds = (now_ms - run.orphaned_at_ms) / 1000
            self.violated("taken over in time", f"{run}: only after {seconds:.1f} s")
        run.orphaned_at_ms = None

    def killed(self, process: Process, now_ms: float) -> None:
        """While all else is calm, a worker was killed: somebody must take over what it held."""
        for run in self.runs.values():
            if run.holder is process and now_ms + TAKEOVER_MS + TOO_LATE_MS < run.deadline_at_ms:
                run.orphaned_at_ms = now_ms

    # ------------------------------------------------------------ clients

    def was_accepted(
        self, job_id: str, user: str, ingredient: str, *, asked_at_ms: float, told_at_ms: float
    ) -> None:
        users = self.accepted.setdefault(job_id, {})
        users.setdefault(user, []).append((asked_at_ms, told_at_ms))
        self.ingredients[job_id] = ingredient

    def cancels(self, job_id: str, user: str) -> None:
        """The user is about to say so; the word may get lost, or come late."""
        self.cancelled.setdefault(job_id, set()).add(user)

    def cancel_answered(self, document: dict[str, Any]) -> None:
        """Note the answer to a cancel."""
        is_shared = any(
            run.is_shared for run in self.runs.values() if run.job_id == document["jobId"]
        )
        if document["status"] in OPEN and not is_shared:
            raise Violation("a cancel is heard", f"it is still open: {document}")

    def saw(
        self,
        document: dict[str, Any],
        user: str,
        *,
        asked_at_ms: float,
        received_at_ms: float,
        deadline_ms: float,
    ) -> None:
        """A poll brought this status document; answers to polls at one time may overtake."""
        job_id = document["jobId"]
        if user not in self.accepted.get(job_id, {}):
            raise Violation("nobody else's job", f"{user} saw {job_id}")
        seen = self.documents.setdefault((job_id, document["createdAt"]), [])
        until_ms = asked_at_ms - self.late_ms
        known = (last for received, last in reversed(seen) if received <= until_ms)
        # Without a cache one after the other is later; with one the last few may be in any order.
        for last in islice(known, FEW if self.late_ms else 1):
            if last["status"] in TERMINAL and last != document:
                raise Violation("terminal is final", f"clients saw {last} become {document}")
            if document["progress"] < last["progress"]:
                raise Violation("progress goes forward", f"{last} before {document}")
            self._check_growth(last, document)
        self._check_partial(document)
        seen.append((received_at_ms, document))
        if document["status"] in OPEN:
            if asked_at_ms >= deadline_ms:
                raise Violation("every job ends", f"open after its deadline: {document}")
            if document["progress"] >= 100:
                raise Violation("100 only when stored", str(document))
        if document["status"] == "completed":
            self._check_result(document)

    def _check_result(self, document: dict[str, Any]) -> None:
        recipes = document["result"]["recipes"]
        wanted = self.ingredients[document["jobId"]]
        if len(recipes) != count_of(wanted):
            raise Violation("only valid results", f"{wanted} was asked for: {recipes}")
        self._check_recipes(recipes, wanted)

    def _check_recipes(self, recipes: list[dict[str, Any]], wanted: str) -> None:
        for recipe in recipes:
            if recipe["ingredients"] != [wanted] or recipe["servings"] != VALID_RECIPE["servings"]:
                raise Violation("only valid results", f"{wanted} was asked for: {recipe}")
            if set(recipe) != set(VALID_RECIPE) | {"ingredients"}:
                raise Violation("only valid results", f"not a recipe: {recipe}")

    def _check_growth(self, last: dict[str, Any], document: dict[str, Any]) -> None:
        """What a client has seen of a run is there the next time, and in the result."""
        if document["status"] == "cancelled":
            return
        now = document.get("result") or document.get("partialResult") or {"recipes": []}
        before = last.get("partialResult", {"recipes": []})["recipes"]
        if lost := [recipe for recipe in before if recipe not in now["recipes"]]:
            raise Violation("what was seen only grows", f"{lost} not in {document}")
        titles = [part["title"] for part in last.get("outline", [])]
        now_titles = [part["title"] for part in document.get("outline", [])]
        if titles and document["status"] != "completed" and now_titles != titles:
            raise Violation("what was seen only grows", f"another outline: {document}")

    def _check_partial(self, document: dict[str, Any]) -> None:
        """Parts are shown with their outline, in its order, and of the request that was made."""
        recipes = document.get("partialResult", {"recipes": []})["recipes"]
        ready = [part["title"] for part in document.get("outline", []) if part["state"] == "ready"]
        if [recipe["name"] for recipe in recipes] != ready:
            raise Violation("parts in the outline's order", f"{ready}: {recipes}")
        if ready and document["status"] in ("completed", "cancelled"):
            raise Violation("parts in the outline's order", f"shown after the end: {document}")
        self._check_recipes(recipes, self.ingredients[document["jobId"]])

    @property
    def last_documents(self) -> list[dict[str, Any]]:
        """The last that any client knows of each run."""
        return [seen[-1][1] for seen in self.documents.values()]

    def is_promised(self, document: dict[str, Any]) -> bool:
        """True if a client had a 202 while this run was stored, and nobody cancelled the run. A
        request that was answered with a 503 may have begun a run that nobody waits for and no
        message speaks of; a 202 after it may be for the next one."""
        created_ms = datetime.fromisoformat(document["createdAt"]).timestamp() * 1000
        told = self.accepted[document["jobId"]].values()
        runs = [run for run in self.runs.values() if run.job_id == document["jobId"]]
        standing = [
            max(
                (run for run in runs if run.admitted_at_ms <= told_at_ms),
                key=lambda run: run.admitted_at_ms,
                default=None,
            )
            for times in told
            for _, told_at_ms in times
        ]
        return any(
            run.created_at_ms == round(created_ms) and not run.is_cancelled
            for run in standing
            if run is not None
        )

    # ------------------------------------------------------------ the end

    def check_end(
        self,
        *,
        quotas: Counter[str],
        used_calls: Counter[str],
        booked_calls: int | None,
        queued: int,
        buried: int,
        is_hiccup: bool,
    ) -> None:
        """Check the end, when all is calm and every deadline has passed. `quotas` are the counts by
        user, `used_calls` the calls on the items, by ingredient, `booked_calls` those in the ledger
        unless one of its own writes met a fault. `is_hiccup`: no worker was
        killed, stalled or cut off for longer than one call."""
        admitted = Counter(run.owner for run in self.runs.values())
        if admitted != quotas:
            raise Violation("the quota counts each job once", f"{quotas} for {admitted}")
        if queued or buried:
            raise Violation("the queue drains", f"{queued} queued, {buried} buried")
        claims: Counter[str] = Counter()
        runs = Counter(run.ingredient for run in self.runs.values())
        for run in self.runs.values():
            claims[run.ingredient] += min(1, run.claims) if is_hiccup else run.claims
            if run.completions > 1:
                raise Violation("one completion a run", str(run))
            if run.orphaned_at_ms is not None:
                raise Violation("taken over in time", f"{run}: never")
        self._check_calls(claims, is_hiccup=is_hiccup)
        for ingredient, used in used_calls.items():
            answers = self.answers[ingredient]
            if used > answers or (is_hiccup and runs[ingredient] == 1 and used < answers):
                raise Violation(
                    "usage is counted once", f"{answers} answers for {ingredient}, {used} counted"
                )

        answered = self.answers.total()
        if booked_calls is not None and (
            booked_calls > answered or (is_hiccup and booked_calls < answered)
        ):
            raise Violation(
                "the ledger has each call once", f"{answered} answers, {booked_calls} booked"
            )

    def _check_calls(self, claims: Counter[str], *, is_hiccup: bool) -> None:
        if is_hiccup and self.asked_again:
            raise Violation("the model is paid once", f"asked again for {self.asked_again}")
        for ingredient, calls in self.model_calls.items():
            count = count_of(ingredient)
            a_claim = count + 1 if count > 1 else 1  # an outline, and each part
            allowed = claims[ingredient] * a_claim + self.useless_calls[ingredient]
            allowed += self.slow_calls[ingredient]
            if calls > allowed:
                raise Violation(
                    "the model is paid once", f"{calls} calls for {ingredient}, {allowed} allowed"
                )


def _outcome(item: Any) -> Any:
    """All of an ended job but what was spent on it, which a worker may say a moment later."""
    spent = {*asdict(Usage()), "unsettled_lease_token"}
    return {name: value for name, value in item.items() if name not in spent}


def _standing(item: Any) -> dict[str, str]:
    """The outline and the parts in an item."""
    return {
        name: _text(item, name) for name in item if name == "outline" or name.startswith("part_")
    }


def _is_expired(item: Any) -> bool:
    """True if a reader ended the job at its deadline."""
    return bool(item.get("completed_at_ms") == item["deadline_at_ms"])


def _is_replaceable(item: Any, now_ms: float) -> bool:
    latest_ms = now_ms + MAX_SKEW_MS
    status = _text(item, "status")
    if status in ("failed", "cancelled"):
        return True
    return latest_ms >= _number(item, "expires_at_seconds") * 1000


def _text(item: Any, name: str) -> str:
    text: str = deserialized({name: item[name]})[name]
    return text


def _number(item: Any, name: str) -> int:
    return int(item[name]["N"])


VALID_RECIPE = {
    "name": "Soup",
    "instructions": "Cook it.",
    "cookingTime": 10,
    "difficulty": "easy",
    "servings": 2,
}
