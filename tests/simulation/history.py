"""What happened in one schedule, as clients saw it and as the table lived through it, and whether
that is what Simmer promises.

Every promise has a name, which a violation carries. What is checked at the moment it happens is
checked there; what can only be known at the end, in `check_end`.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OPEN = ("pending", "processing")
TERMINAL = ("completed", "failed", "cancelled")
ALLOWED = {
    ("pending", "processing"),
    ("processing", "processing"),
    ("processing", "pending"),
    ("processing", "completed"),
    ("processing", "failed"),
}


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
    claims: int = 0
    completions: int = 0


@dataclass(slots=True)
class History:
    """All that can be known from outside about one schedule. Times are true epoch milliseconds."""

    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    # By job id and createdAt, which tells runs apart: when each was received, and the document.
    documents: dict[tuple[str, str], list[tuple[float, dict[str, Any]]]] = field(
        default_factory=dict
    )
    accepted: dict[str, str] = field(default_factory=dict)  # job id -> the user who was told
    ingredients: dict[str, str] = field(default_factory=dict)  # job id -> what was asked for
    model_calls: Counter[str] = field(default_factory=Counter)  # by ingredient
    useless_calls: Counter[str] = field(default_factory=Counter)  # those that brought no answer

    # ------------------------------------------------------------ the table

    def wrote(self, before: Any, after: Any, now_ms: float, max_skew_ms: float) -> None:
        """A job's item went from `before` to `after` (DynamoDB items, `before` may be None)."""
        if before is None or before["run_id"] != after["run_id"]:
            if before is not None and not _is_replaceable(before, now_ms, max_skew_ms):
                raise Violation("one live run", f"{before['status']} was admitted over")
            run = Run(
                after["job_id"]["S"],
                after["run_id"]["S"],
                after["owner"]["S"],
                json.loads(after["request"]["S"])["ingredients"][0],
            )
            self.runs[run.job_id, run.run_id] = run
            return
        run = self.runs[after["job_id"]["S"], after["run_id"]["S"]]
        was, becomes = before["status"]["S"], after["status"]["S"]
        if was in TERMINAL and before != after:
            raise Violation("terminal is final", f"{was} became {becomes}")
        if (was, becomes) not in ALLOWED:
            raise Violation("allowed transitions", f"{was} became {becomes}")
        if becomes == "completed":
            run.completions += 1
        if becomes == "processing" and before.get("lease_token") != after["lease_token"]:
            run.claims += 1
            if was == "processing":
                ends_ms = int(before["lease_expires_at_ms"]["N"])
                if now_ms + max_skew_ms < ends_ms:
                    raise Violation("one worker at a time", "a lease was taken that still ran")
        if becomes in TERMINAL and now_ms - max_skew_ms >= int(after["deadline_at_ms"]["N"]):
            raise Violation("nothing after the deadline", f"{becomes} was written late")

    # ------------------------------------------------------------ clients

    def was_accepted(self, job_id: str, user: str, ingredient: str) -> None:
        self.accepted[job_id] = user
        self.ingredients[job_id] = ingredient

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
        if self.accepted.get(job_id) != user:
            raise Violation("nobody else's job", f"{user} saw {job_id}")
        seen = self.documents.setdefault((job_id, document["createdAt"]), [])
        for received, last in reversed(seen):
            if received > asked_at_ms:
                continue
            if last["status"] in TERMINAL and last != document:
                raise Violation("terminal is final", f"clients saw {last} become {document}")
            if document["progress"] < last["progress"]:
                raise Violation("progress goes forward", f"{last} before {document}")
            break
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
        if len(recipes) != 1 or recipes[0]["ingredients"] != [wanted]:
            raise Violation("only valid results", f"{wanted} was asked for: {recipes}")
        if set(recipes[0]) != set(VALID_RECIPE) | {"ingredients"}:
            raise Violation("only valid results", f"not a recipe: {recipes[0]}")

    @property
    def last_documents(self) -> list[dict[str, Any]]:
        """The last that any client knows of each run."""
        return [seen[-1][1] for seen in self.documents.values()]

    # ------------------------------------------------------------ the end

    def check_end(self, *, quotas: dict[str, int], queued: int, buried: int) -> None:
        """When all is calm and every deadline has passed. `quotas` is what was counted, by user."""
        admitted = Counter(run.owner for run in self.runs.values())
        if dict(admitted) != {user: count for user, count in quotas.items() if count}:
            raise Violation("the quota counts each job once", f"{quotas} for {dict(admitted)}")
        if queued or buried:
            raise Violation("the queue drains", f"{queued} queued, {buried} buried")
        claims: Counter[str] = Counter()
        for run in self.runs.values():
            claims[run.ingredient] += run.claims
            if run.completions > 1:
                raise Violation("one completion a run", f"{run}")
        for ingredient, calls in self.model_calls.items():
            # One call a claim, and one more for each that failed or brought rubbish.
            allowed = claims[ingredient] + self.useless_calls[ingredient]
            if calls > allowed:
                raise Violation("the model is paid once", f"{calls} calls, {allowed} allowed")


def _is_replaceable(item: Any, now_ms: float, max_skew_ms: float) -> bool:
    if item["status"]["S"] in ("failed", "cancelled"):
        return True
    if now_ms + max_skew_ms >= int(item["expires_at_seconds"]["N"]) * 1000:
        return True
    return item["status"]["S"] in OPEN and now_ms + max_skew_ms >= int(item["deadline_at_ms"]["N"])


VALID_RECIPE = {
    "name": "Soup",
    "instructions": "Cook it.",
    "cookingTime": 10,
    "difficulty": "easy",
    "servings": 2,
}
