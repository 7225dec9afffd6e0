"""A client of the deployed API, as plain as a phone's."""

import time
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.leaks import heed
from tests.patience import HANG_SECONDS

TERMINAL = ("completed", "failed", "cancelled")


class Api:
    """The API at `base_url`, as the user whose token is given (none: nobody)."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(
            base_url=base_url, headers=headers, timeout=HANG_SECONDS, trust_env=False,
            event_hooks={"response": [heed]},
        )  # fmt: skip

    def submit(
        self, *ingredients: str, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx2.Response:
        """POST /recipe/generate; one recipe unless `count` says otherwise."""
        body = {"ingredients": list(ingredients), "count": 1, **fields}
        return self._http.post("/recipe/generate", json=body, headers=dict(headers or {}))

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self._http.request(method, path, **options)

    def status(self, job_id: str) -> httpx2.Response:
        return self._http.get(f"/recipe/status/{job_id}")

    def wait(self, job_id: str, within_seconds: float = HANG_SECONDS) -> dict[str, Any]:
        """Poll as the server says until the job has ended; the last status document."""
        give_up = time.monotonic() + within_seconds
        seen = -1
        while True:
            answer = self.status(job_id)
            assert answer.status_code == 200, answer.text
            document: dict[str, Any] = answer.json()
            assert document["progress"] >= seen, "the bar went back"
            seen = document["progress"]
            if document["status"] in TERMINAL:
                return document
            assert time.monotonic() < give_up, f"still open: {document}"
            time.sleep(document["pollAfterMs"] / 1000)

    def run(self, *ingredients: str, **fields: Any) -> dict[str, Any]:
        """Submit and wait."""
        accepted = self.submit(*ingredients, **fields)
        assert accepted.status_code == 202, accepted.text
        return self.wait(accepted.json()["jobId"])
