"""The story of a job out of the functions' log."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.trace import MAX_EVENTS, MAX_JOBS, Trace, line_of

AT = "2026-11-25T09:30:00.123+00:00"
JOB = "c928f6c74fe0dfcc70d9446871a50ca2"


def logged(message: str, job_id: str = JOB, **fields: Any) -> str:
    line = {
        "level": "INFO",
        "location": "tell:38",
        "message": message,
        "timestamp": AT,
        "service": "simmer",
        "jobId": job_id,
        "runId": "r",
        "task": "recipe",
        **fields,
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "functions.log"


def test_a_story_has_the_events_of_one_job_from_all_functions(log: Path) -> None:
    other = logged("job admitted", "0" * 32)
    log.write_text(
        logged("job admitted", requestId="q")
        + other
        + "not JSON\n[1]\n{}\n"
        + logged("result stored")
    )

    assert Trace(log).story(JOB) == [
        {
            "at": "2026-11-25T09:30:00.123Z",
            "event": "job admitted",
            "runId": "r",
            "task": "recipe",
            "requestId": "q",
        },
        {
            "at": "2026-11-25T09:30:00.123Z",
            "event": "result stored",
            "runId": "r",
            "task": "recipe",
        },
    ]
    assert Trace(log).story("unknown") == []


def test_frames_of_the_socket_and_the_price_of_a_stand_in_are_no_part_of_it(log: Path) -> None:
    log.write_text(
        logged("message", route="subscribe")
        + logged("price unknown", model="stand-in-small")
        + logged("price unknown", model="gpt-9")
    )

    [line] = Trace(log).new_lines()

    assert line.endswith("price unknown    of gpt-9")


def test_it_is_read_on_from_where_it_ended_even_in_the_middle_of_a_letter(log: Path) -> None:
    trace = Trace(log)
    assert trace.story(JOB) == []  # there is no log yet
    whole = logged("answer rejected", because=["재료"]).encode()
    cut = whole.index("재".encode()) + 1
    log.write_bytes(whole[:cut])
    assert trace.story(JOB) == []
    with log.open("ab") as end:
        end.write(whole[cut:])

    assert [event["because"] for event in trace.story(JOB)] == [["재료"]]


def test_neither_jobs_nor_events_are_kept_without_end(log: Path) -> None:
    with log.open("w") as lines:
        for number in range(MAX_JOBS + 5):
            lines.write(logged("job admitted", f"{number:032}"))
        lines.writelines(logged("model call") for _ in range(MAX_EVENTS + 5))
    trace = Trace(log)

    assert len(trace.story(JOB)) == MAX_EVENTS
    assert trace.story(f"{5:032}") == []
    assert len(trace.story(f"{6:032}")) == 1


def test_each_event_is_one_short_line_on_the_terminal(log: Path) -> None:
    trace = Trace(log)
    log.write_text(
        logged("job claimed", queueSeconds=0.25)
        + logged(
            "model call",
            model="small",
            ending="stop",
            seconds=4.2,
            calls=1,
            input_tokens=260,
            output_tokens=90,
            cost_microusd=1300,
        )
        + logged("answer rejected", because=["recipes.0.servings: must be 2"], kinds=["x check"])
        + logged("job failed", code="invalid_output")
    )

    assert trace.new_lines() == [
        "09:30:00  c928f6  recipe        job claimed      after 0.2 s in the queue",
        "09:30:00  c928f6  recipe        model call       "
        "small, stop, 4.2 s, 260 + 90 tokens, $0.0013",
        "09:30:00  c928f6  recipe        answer rejected  because recipes.0.servings: must be 2",
        "09:30:00  c928f6  recipe        job failed       invalid_output",
    ]
    trace.story(JOB)
    assert trace.new_lines() == []


def test_a_complaint_that_holds_line_ends_is_still_one_line() -> None:
    event = {"at": AT, "event": "answer rejected", "because": ["a: \x1b[31mred\nb"], "task": "t"}

    line = line_of(JOB, event)

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
