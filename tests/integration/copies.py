"""The repository once more, to be changed by a test, and `make run` in it."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx2

from local.child import free_port
from local.toolchain import BUILD, REPOSITORY, emulator_python
from simmer.tasks import task_names

NOT_COPIED = (".git", ".venv", ".build", "__pycache__", "node_modules", ".*_cache", "*.pyc")
# What is built there is built here once, for it takes long: the emulator, the packages.
_SHARED = ("emulator-venv", "artifacts", "uv-venv")
_WITHIN_SECONDS = 120  # only a hang takes so long

POEM = '''\
"""Poems on a topic."""

from typing import Annotated

from pydantic import Field

from simmer.task import Task, TaskRequest, TaskResult


class PoemRequest(TaskRequest):
    """What the poem is to be about."""

    topic: Annotated[str, Field(min_length=1, max_length=60)]
    lines: Annotated[int, Field(ge=1, le=4)] = 2


class Poem(TaskResult):
    """A poem."""

    title: str
    lines: list[str]


def _check(request: PoemRequest, poem: Poem) -> list[str]:
    found = []
    if len(poem.lines) != request.lines:
        found.append(f"lines: there must be {request.lines}")
    if request.topic not in poem.title:
        found.append("title: must name the topic")
    return found


TASK = Task(
    name="poem",
    version=1,
    request_model=PoemRequest,
    result_model=Poem,
    instructions="Write a poem.",
    example={"topic": "rain", "lines": 2},
    answer={"title": "On rain", "lines": ["It falls.", "It stops."]},
    check=_check,
    languages=("en", "de"),
)
'''


def copy_of_repository(folder: Path) -> Path:
    """A copy without the tasks that ship, and with poems in their place."""
    copy = folder / "repository"
    shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    emulator_python()  # so that it is there to be shared
    (copy / ".build").mkdir()
    for name in _SHARED:
        if (BUILD / name).exists():
            (copy / ".build" / name).symlink_to(BUILD / name)
    for shipped in task_names():
        tasks(copy, shipped).unlink()
    tasks(copy, "poem").write_text(POEM, "utf-8")
    return copy


def tasks(copy: Path, name: str) -> Path:
    """The file of a task there."""
    return copy / "layers" / "common" / "simmer" / "tasks" / f"{name}.py"


class Running:
    """`make run` in a copy, but for the set-up; its output by lines."""

    def __init__(self, copy: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.run", "--port", str(self.port), "--model-delay", "0.1"],
            cwd=copy,
            env={name: text for name, text in os.environ.items() if "OPENAI" not in name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        try:
            self.until_said("ready ")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_WITHIN_SECONDS)
        finally:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def until_said(self, text: str) -> str:
        """The next line that holds the text."""
        ends_at = time.monotonic() + _WITHIN_SECONDS
        while True:
            line = self._lines.get(timeout=max(0.1, ends_at - time.monotonic()))
            assert line is not None, "\n".join(["it ended:", *self.said])
            self.said.append(line)
            if text in line:
                return line

    def ask(self, method: str, path: str, **options: object) -> httpx2.Response:
        """An API call by alice, or of /dev/…"""
        token = httpx2.get(f"{self.url}/dev/token?user=alice", trust_env=False).text
        headers = {"authorization": f"Bearer {token}"}
        return httpx2.request(
            method,
            f"{self.url}{path}",
            headers=headers,
            timeout=60,
            trust_env=False,
            **options,  # type: ignore[arg-type]
        )

    def run(self, task: str, body: object) -> dict[str, object]:
        """The status document of a job that has ended."""
        answer = self.ask("POST", f"/{task}/generate", json=body)
        assert answer.status_code in (200, 202), answer.text
        document: dict[str, object] = answer.json()
        ends_at = time.monotonic() + _WITHIN_SECONDS
        while document["status"] not in ("completed", "failed", "cancelled"):
            assert time.monotonic() < ends_at
            time.sleep(0.1)
            document = self.ask("GET", f"/{task}/status/{document['jobId']}").json()
        return document


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    ends_at = time.monotonic() + _WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.1)
