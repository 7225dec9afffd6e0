"""Where emulators keep their files, and what is left of those that were killed."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from local.toolchain import BUILD, keep_newest

_KEPT_LOGS = 60
_PLENTY_BYTES = 8 * 1024**3


def scratch() -> Path:
    """Where emulators keep their files: in memory, where there is plenty. They unpack a function
    and its packages for each process, and to remove tens of thousands of files has taken a busy
    disk minutes."""
    memory = Path("/dev/shm")
    folder = memory / f"simmer-{os.getuid()}"
    with suppress(OSError):
        space = os.statvfs(memory)
        is_plenty = space.f_bavail * space.f_frsize > _PLENTY_BYTES
        if is_plenty and not space.f_flag & os.ST_NOEXEC:
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.lstat().st_uid == os.getuid():  # everybody may write there
                return folder
    return BUILD / "run"


def sweep(folder: Path) -> None:
    """Remove old logs, and what killed runs have left: folders named after a process that is
    no more."""
    keep_newest(_KEPT_LOGS, (BUILD / "logs").glob("*.log"))
    for left in folder.glob("emulator-*"):
        try:
            os.kill(int(left.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            pass  # alive, and somebody else's
