"""The stand-in model server as a child process, with its controls as methods.

    with StandIn(delay_seconds=0) as model:
        model.script("fenced", "ok", match="tofu")
        ... deploy with {"ModelLadder": model.ladder} ...
        assert [call["answer"] for call in model.calls("tofu")] == ["fenced", "ok"]

What can be scripted is told in server.py.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from local.child import Child
from local.model import MODELS
from local.toolchain import BUILD, REPOSITORY


class StandIn:
    """Listens on a free port of 127.0.0.1 until `stop()` or the end of this process."""

    def __init__(self, *, delay_seconds: float = 4.0) -> None:
        self.child = Child(
            Path(sys.executable),
            "local.model.server",
            *("--delay", str(delay_seconds)),
            environment={
                "PATH": os.environ.get("PATH", os.defpath),
                "LANG": "C.UTF-8",
                "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'layers' / 'common'}",
                # Byte-code of a file that is saved twice in a second could be taken for current.
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            log=BUILD / "logs" / f"model-{os.getpid()}-{id(self):x}.log",
        )
        self.base_url = f"http://127.0.0.1:{self.child.port()}/v1"
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ladder(self) -> list[dict[str, str]]:
        """The value for the template's `ModelLadder`: a small and a large model, both this one."""
        return [{"model": model, "baseUrl": self.base_url} for model in MODELS]

    def script(self, *answers: str | dict[str, Any], match: str = "", model: str = "") -> None:
        """Queue answers for the next calls whose user messages hold `match`, to that model."""
        self._post("script", {"answers": answers, "match": match, "model": model or None})

    def mix(self, rates: dict[str, float], seed: int) -> None:
        """Let this share of the unscripted calls go wrong, by kind; {} for none."""
        self._post("mix", {"rates": rates, "seed": seed})

    def set_delay(self, seconds: float) -> None:
        """Let good answers take this long on average."""
        self._post("delay", {"seconds": seconds})

    def reset(self) -> None:
        """Forget scripts, mix, delay and calls."""
        self._post("reset", {})

    def calls(self, match: str = "") -> list[dict[str, Any]]:
        """The calls whose user messages held `match`, oldest first: at, model, answer,
        closedEarly (the client went before it was answered)."""
        found: list[dict[str, Any]] = self._fetch(f"calls?{urlencode({'match': match})}")["calls"]
        return found

    def stop(self) -> None:
        self.child.stop()

    def _post(self, what: str, body: dict[str, Any]) -> None:
        self._fetch(what, json.dumps(body).encode())

    def _fetch(self, what: str, body: bytes | None = None) -> Any:
        url = f"{self.base_url.removesuffix('/v1')}/control/{what}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with self._direct.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise ValueError(refused.read().decode()) from None
