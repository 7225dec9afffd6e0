"""Serves what is saved: watches the sources of the functions, has the emulator take what changed.

What cannot be loaded is shown, and what was served before stays.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from local.emulator import artifacts, sam
from local.emulator.deployment import Deployment
from local.emulator.sam import Code
from local.tasks.catalogue import LAYER, Catalogue
from local.toolchain import REPOSITORY, TEMPLATE, ToolError, emulator_python

_LOOKS_EVERY_SECONDS = 0.2
_IMPORTED_WITHIN_SECONDS = 60
_WATCHED = (".py", ".json", ".txt")
_LAST_LINES = 6

type State = dict[Path, int]


class Reloader:
    """Knows what is served: the code, and the tasks as `catalogue` has them.

    It must be made before the deployment, so that what is saved in between is noticed.
    """

    def __init__(self, catalogue: Catalogue, report: Callable[[str], None]) -> None:
        self.catalogue = catalogue
        self._report = report
        self._codes = sam.code_folders(sam.read(TEMPLATE), TEMPLATE.parent)
        self._seen = self._state()
        self._served = artifacts.build(self._codes, report)
        self._lock = threading.Lock()

    async def watch(self, deployment: Deployment) -> NoReturn:
        """Look for changes, for ever."""
        while True:
            await asyncio.sleep(_LOOKS_EVERY_SECONDS)
            state = await asyncio.to_thread(self._state)
            if state != self._seen:
                self._seen = state
                await asyncio.to_thread(self.reload, deployment)

    def reload(self, deployment: Deployment) -> bool:
        """Serve what is on disk, or report why not; whether it is served."""
        with self._lock, ThreadPoolExecutor(2) as threads:
            reading = threads.submit(Catalogue.read)
            checking = threads.submit(why_not_served)
            try:
                zips = artifacts.build(self._codes)
                catalogue = reading.result()
            except (ToolError, OSError) as error:
                return self._refuse([str(error)])
            changed = {name: path for name, path in zips.items() if path != self._served[name]}
            problems = [str(problem) for problem in catalogue.problems]
            if not problems and (unfit := checking.result()):
                problems = [unfit]
            if not problems:
                problems = [
                    why
                    for code in self._codes
                    if code.logical_id in changed
                    and not code.is_layer
                    and (why := _why_not_imported(code))
                ]
            if problems or not catalogue.tasks:
                return self._refuse(problems or ["simmer/tasks\n  there is no task left"])
            if changed:
                deployment.replace_code(changed)
            self._served, self.catalogue = zips, catalogue
            if changed:
                names = ", ".join(str(task["name"]) for task in catalogue.tasks)
                self._report(f"reloaded {', '.join(sorted(changed))}; tasks: {names}")
            return True

    def _refuse(self, problems: list[str]) -> bool:
        listed = "\n\n".join(problems)
        self._report(f"not reloaded; what was there before is still served:\n\n{listed}\n")
        return False

    def _state(self) -> State:
        return {path: modified for code in self._codes for path, modified in _files(code.folder)}


def why_not_served() -> str:
    """What the whole check has against the task files as they are now, or nothing."""
    checked = subprocess.run(
        [sys.executable, "-B", "-m", "local.task_checks"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(LAYER), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_IMPORTED_WITHIN_SECONDS,
    )
    if checked.returncode == 0:
        return ""
    return checked.stderr.strip() or f"simmer/tasks: a file ends Python ({checked.returncode})"


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Each source and when it was changed, in nanoseconds."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and name[0] != "."]
        for name in names:
            if name.endswith(_WATCHED) and not name.startswith("."):
                path = Path(parent, name)
                try:
                    yield path, path.stat().st_mtime_ns
                except FileNotFoundError:  # an editor at work
                    continue


def _why_not_imported(code: Code) -> str:
    """Why the function cannot start, or nothing: its handler is imported as the emulator does it,
    but in a process that serves nobody."""
    folders = [code.folder, LAYER, artifacts.installed(LAYER / "requirements.txt")]
    own = code.folder / "requirements.txt"
    if own.is_file():
        folders.append(artifacts.installed(own))
    try:
        process = subprocess.run(
            [emulator_python(), "-P", "-B", "-c", "import app"],
            cwd=code.folder,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LANG": "C.UTF-8",
                "AWS_DEFAULT_REGION": "us-east-1",
                "PYTHONPATH": os.pathsep.join(map(str, folders)),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_IMPORTED_WITHIN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{code.folder.name}/app.py\n  does not come to an end when it is imported"
    if process.returncode == 0:
        return ""
    last = "\n  ".join(process.stderr.strip().splitlines()[-_LAST_LINES:])
    return f"functions/{code.folder.name}\n  {last}"
