"""`make bench-heart` fails when a heart beats too late, or a job fails."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.heart import __main__ as bench
from simmer.settings import WorkerSettings

GOOD = bench.Run(jobs=10, failed=0, cpu_seconds=0.2, peak_bytes=60_000_000, gap_seconds=6.1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"gap_seconds": WorkerSettings.lease_seconds - 0.1}, 0),
        ({"gap_seconds": WorkerSettings.lease_seconds}, 1),
        ({"failed": 1}, 1),
    ],
)
def test_run_that_breaks_a_promise_fails_the_bench(
    change: dict[str, Any],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def at(jobs: int, memory_mb: int, *_: Path) -> bench.Run:
        return replace(GOOD, jobs=jobs, **(change if (jobs, memory_mb) == (50, 256) else {}))

    monkeypatch.setattr(bench, "run", at)
    monkeypatch.setattr(bench, "built", Path)
    monkeypatch.setattr(bench, "lambda_python", Path)
    monkeypatch.setattr(sys, "argv", ["bench"])

    assert bench.main() == code
    assert ("50 in flight" in capsys.readouterr().err) == bool(code)
