"""Corrupted answers by the million: no delivered answer may break an app.

`python -m tests.fuzz --n 1000000` draws them, `corrupt` makes them, `judge` judges what the worker
let through by rules of its own.
"""

import sys
from pathlib import Path

# What the functions find beside them in Lambda; pytest has the same from pyproject.toml.
_ROOT = Path(__file__).parents[2]
for _part in ("functions/worker", "layers/common"):
    if str(_ROOT / _part) not in sys.path:
        sys.path.insert(0, str(_ROOT / _part))
