"""`make load` fails where a poll fails, grows with the open jobs, or takes too much CPU."""

import pytest

from bench.load.__main__ import OPEN_JOBS, RIVALS, SIMMER, Load, faults


def loads(cpu_us: float, errors: int = 0) -> list[Load]:
    odd = Load(100, errors, cpu_seconds=1.0)  # a round in which the machine was busy
    return [odd, *(Load(100, 0, cpu_seconds=cpu_us * 100 / 10**6) for _ in range(4))]


def by_open_jobs(last: float = 500) -> dict[int, list[Load]]:
    return {**{count: loads(500) for count in OPEN_JOBS}, OPEN_JOBS[-1]: loads(last)}


def test_load_as_promised_passes() -> None:
    by_name = {SIMMER: loads(900), **{rival: loads(300) for rival in RIVALS}}

    assert faults(by_open_jobs(last=649), by_name) == []


def test_load_without_a_rival_is_judged_by_itself() -> None:
    assert faults(by_open_jobs(), {SIMMER: loads(10**5)}) == []


def test_one_failed_poll_fails_it() -> None:
    assert faults(by_open_jobs(), {SIMMER: loads(500, errors=1)}) == ["1 polls failed"]


def test_growth_fails_it() -> None:
    [fault] = faults(by_open_jobs(last=651), {SIMMER: loads(500)})

    assert "10,000 open jobs" in fault


@pytest.mark.parametrize("rival", RIVALS)
def test_more_than_three_times_a_rival_fails_it(rival: str) -> None:
    [fault] = faults(by_open_jobs(), {SIMMER: loads(901), rival: loads(300)})

    assert fault.endswith(rival)
