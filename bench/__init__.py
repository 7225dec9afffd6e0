"""Numbers about Simmer that can be printed again: each module is a command that says what it does.

`make bench` runs those that need neither a network nor a key.
"""

import sys
from pathlib import Path

# What the worker finds beside it in Lambda; pytest has the same from pyproject.toml.
_ROOT = Path(__file__).parents[1]
for _part in ("functions/worker", "layers/common"):
    if str(_ROOT / _part) not in sys.path:
        sys.path.insert(0, str(_ROOT / _part))
