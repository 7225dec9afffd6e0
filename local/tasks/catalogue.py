"""The tasks as they are on disk now, each with its schemas; a file that is wrong is named."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.emulator.artifacts import installed
from local.toolchain import REPOSITORY, emulator_python

type Json = dict[str, Any]

LAYER = REPOSITORY / "layers" / "common"
_DESCRIBE = REPOSITORY / "local" / "tasks" / "describe.py"
_LOADS_WITHIN_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a task file. `file` is relative to the layer."""

    task: str
    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}\n  {self.message.replace('\n', '\n  ')}"


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What `GET /dev/tasks` serves, and the task files that could not be loaded."""

    tasks: list[Json]
    problems: list[Problem]

    @classmethod
    def read(cls, layer: Path = LAYER) -> Self:
        """Load every task file of the layer in a process of its own.

        That process has the interpreter and the packages of the functions, so an import that fails
        there fails here. Raises ToolError if the packages cannot be installed.
        """
        packages = installed(layer / "requirements.txt")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{layer}{os.pathsep}{packages}",
            # Byte-code of a file that is saved twice in a second could be taken for current.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            process = subprocess.run(
                [emulator_python(), "-P", _DESCRIBE],
                env=environment,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=_LOADS_WITHIN_SECONDS,
            )
            said = json.loads(process.stdout)
        except subprocess.TimeoutExpired:
            return cls._unloadable(f"did not load within {_LOADS_WITHIN_SECONDS} s")
        except ValueError:  # it ended without a word: os._exit, a signal
            last = process.stderr.strip().splitlines()[-3:]
            return cls._unloadable("\n".join(["ended while it was loaded", *last]))
        return cls(
            tasks=said["tasks"], problems=[Problem(**problem) for problem in said["problems"]]
        )

    @classmethod
    def _unloadable(cls, message: str) -> Self:
        problem = Problem(task="", file="simmer/tasks", line=None, message=message)
        return cls(tasks=[], problems=[problem])
