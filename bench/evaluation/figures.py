"""What the trials of one ladder come to, and what is better or worse than in the last run."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

type Trial = Mapping[str, Any]

# A figure: how it is shown, and whether more of it is better.
SHOWN: dict[str, tuple[str, bool]] = {
    "valid at once": ("{:.0%}", True),
    "valid after a re-ask or a climb": ("{:.0%}", True),
    "never valid": ("{:.0%}", False),
    "answers with two titles alike": ("{:.0%}", False),
    "expectations met": ("{:.0%}", True),
    "seconds, median": ("{:.1f}", False),
    "seconds, p95": ("{:.1f}", False),
    "tokens, median": ("{:,.0f}", False),
    "tokens, p95": ("{:,.0f}", False),
    "USD per 1,000": ("{:.2f}", False),
}


def figures(trials: Sequence[Trial]) -> dict[str, float]:
    """The figures of at least one trial; without expectations there is none of them."""
    n = len(trials)
    valid = [trial for trial in trials if trial["end"] == "valid"]
    # In parts: an outline, and a call for each.
    at_once = sum(trial["calls"] == trial.get("least", 1) for trial in valid)
    expected = sum(trial["expected"] for trial in trials)
    found = {
        "valid at once": at_once / n,
        "valid after a re-ask or a climb": (len(valid) - at_once) / n,
        "never valid": 1 - len(valid) / n,
        **(
            {"expectations met": sum(trial["met"] for trial in trials) / expected}
            if expected
            else {}
        ),
        "answers with two titles alike": sum(trial.get("twice", 0) for trial in trials) / n,
        "USD per 1,000": 1000 * sum(trial["usd"] for trial in trials) / n,
    }
    for unit in ("seconds", "tokens"):
        values = sorted(trial[unit] for trial in trials)
        found[f"{unit}, median"] = values[math.ceil(n / 2) - 1]
        found[f"{unit}, p95"] = values[math.ceil(n * 0.95) - 1]
    return found


def share_valid(trials: Sequence[Trial]) -> float:
    valid = [trial for trial in trials if trial["end"] == "valid"]
    return len(valid) / len(trials)


def verdict(name: str, now: float, before: float | None) -> str:
    """`90% (better, was 80%)`"""
    form, more_is_better = SHOWN[name]
    shown = form.format(now)
    if before is None or form.format(before) == shown:
        return shown
    word = "better" if (now > before) == more_is_better else "worse"
    if name == "valid after a re-ask or a climb":
        return f"{shown} (was {form.format(before)})"  # good or bad by what it came from
    return f"{shown} ({word}, was {form.format(before)})"


def table(
    trials: Mapping[str, Sequence[Trial]], before: Mapping[str, Mapping[str, float]]
) -> Table:
    """A column a ladder."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("", no_wrap=True)  # where there is little room, the models' names are folded
    columns = {name: figures(each) for name, each in trials.items()}
    for name in columns:
        shown.add_column(name, justify="right")
    for figure in SHOWN:
        if any(figure in column for column in columns.values()):
            cells = (
                verdict(figure, column[figure], before.get(name, {}).get(figure))
                if figure in column
                else ""
                for name, column in columns.items()
            )
            shown.add_row(figure, *cells)
    kinds = {
        name: Counter(kind for trial in each for kind in trial["complaints"])
        for name, each in trials.items()
    }
    for kind, _ in sum(kinds.values(), Counter[str]()).most_common(12):
        shown.add_row(f"wrong: {kind}", *(str(count[kind] or "") for count in kinds.values()))
    return shown
