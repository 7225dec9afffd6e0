"""Where things are on this machine, and how uv is called."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / ".build"
TEMPLATE = REPOSITORY / "template.yaml"

EMULATOR_VENV = BUILD / "emulator-venv"
SMALL_MODEL_VENV = BUILD / "small-model-venv"


class ToolError(RuntimeError):
    """A program that was called ended badly; the message is what it printed."""


def run_tool(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return its stdout; ToolError with its stderr if it failed."""
    process = subprocess.Popen(
        [str(part) for part in command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate()
    except BaseException:  # we are being stopped, so the program and its own children are, too
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        name, said = Path(command[0]).name, (errors or output).strip()
        raise ToolError(f"{name} failed ({process.returncode}):\n{said}")
    return output


def keep_newest(count: int, files: Iterable[Path]) -> None:
    """Remove the older ones, as another process may be doing right now."""
    dated = []
    for file in files:
        with suppress(FileNotFoundError):
            dated.append((file.stat().st_mtime, file))
    for _, old in sorted(dated)[:-count]:
        old.unlink(missing_ok=True)


def uv() -> str:
    """The uv to call: the one that called us, that of the Makefile, or the one on PATH."""
    found = os.environ.get("UV") or shutil.which("uv") or shutil.which(BUILD / "uv-venv/bin/uv")
    if not found:
        raise ToolError("uv is not on PATH; `make setup` finds or installs it")
    return str(REPOSITORY / found)  # the Makefile's own is told relative to it


@cache
def emulator_python() -> Path:
    """The interpreter of the emulator and of all handlers, in a venv made as its lock says.

    About 5 s the first time, 50 ms when it is there already.
    """
    return _locked_python("emulator", EMULATOR_VENV)


def small_model_python() -> Path:
    """The interpreter of the small model, in a venv made as its lock says; 120 MB to download."""
    return _locked_python("model/small", SMALL_MODEL_VENV)


def _locked_python(project: str, venv: Path) -> Path:
    environment = {
        **{key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"},
        "UV_PROJECT_ENVIRONMENT": str(venv),
    }
    folder = REPOSITORY / "local" / project
    run_tool(uv(), "sync", "--locked", "--quiet", "--project", folder, env=environment)
    return venv / "bin" / "python"
