"""The layer, copied, for tests that write task files."""

import shutil
from pathlib import Path

from local.tasks.catalogue import LAYER


def layer_in(folder: Path) -> Path:
    """A copy of the layer, at its place below the folder."""
    copy = folder / "layers" / "common"
    shutil.copytree(LAYER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy
