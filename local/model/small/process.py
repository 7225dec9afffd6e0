"""The small model as a child process: downloaded when it is first asked for, and only then.

It answers real requests with real tokens; that what it writes is nonsense is what it is for. Good
JSON does not come by itself, and Simmer must deliver it or say by name why not.
"""

import os
import secrets
from collections.abc import Callable
from typing import Any

from local.child import Child
from local.toolchain import BUILD, REPOSITORY, SMALL_MODEL_VENV, small_model_python

MODEL = "smollm2-135m"


class SmallModel:
    """Listens on a free port of 127.0.0.1 until `stop()` or the end of this process.

    Raises ToolError if it cannot be installed, ChildError if it does not start.
    """

    def __init__(self, report: Callable[[str], None] = lambda _: None) -> None:
        if not SMALL_MODEL_VENV.exists():
            report("downloading the small model, 120 MB")
        self.key = secrets.token_urlsafe(32)  # nobody else's, a web page's above all
        self.child = Child(
            small_model_python(),
            "local.model.small.server",
            environment={
                "PATH": os.environ.get("PATH", os.defpath),
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(REPOSITORY),
                "SMALL_MODEL_KEY": self.key,
                # Its idle threads must not spin: everything else is on this machine, too.
                "OMP_WAIT_POLICY": "PASSIVE",
            },
            log=BUILD / "logs" / f"small-model-{os.getpid()}.log",
        )
        self.base_url = f"http://127.0.0.1:{self.child.port()}/v1"

    @property
    def ladder(self) -> list[dict[str, Any]]:
        """The value for the template's `ModelLadder`: the model, and once more the model.

        Its JSON is well-formed when the schema's bounds end it, and it writes 20 to 40 tokens a
        second: 350 are enough for one short answer, and leave time for all the calls there may be.
        """
        rung = {
            "model": MODEL,
            "baseUrl": self.base_url,
            "structured": "json_schema",
            "bounds": True,
            "maxOutputTokens": 350,
            "timeoutSeconds": 90,
        }
        return [rung, rung]

    def stop(self) -> None:
        self.child.stop()
