"""The numbers of docs/numbers.md: each module is a command that prints some of them.

`make bench` runs those that need neither a network nor a key.
"""

import sys
from pathlib import Path

# What the worker finds beside it in Lambda; pytest has the same from pyproject.toml.
_ROOT = Path(__file__).parents[1]
for _part in ("functions/worker", "layers/common"):
    if str(_ROOT / _part) not in sys.path:
        sys.path.insert(0, str(_ROOT / _part))
