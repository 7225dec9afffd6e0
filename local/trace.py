"""What the functions log of each job, joined by its id while it is written: a job's story.

trace = Trace(emulator.functions_log)
trace.story("c928f6…")  →  [{"at": "…Z", "event": "model call", "model": "gpt-…", …}, …]
"""

import json
from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from local.model import MODELS

type Json = dict[str, Any]

MAX_JOBS = 1000
MAX_EVENTS = 200  # of one job

# What a line has beyond its event: about the logging, not about the job.
_OF_THE_LINE = frozenset(
    (
        *("level", "location", "message", "timestamp", "service", "taskName", "sampling_rate"),
        *("jobId", "lambdaRequestId", "_aws", "event"),
    )
)
_OF_THE_WIRE = ("metrics", "request", "message")  # `message`: a frame of the WebSocket
_METRICS = ("gen_ai.", "simmer.", "error.")  # names
_ID_SHOWN = 6
_TASK_SHOWN = 12
_EVENT_SHOWN = 15


class Trace:
    """Reads the log on, as far as it is written, whenever it is asked."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._unshown: deque[str] = deque(maxlen=MAX_JOBS)
        self._file: BinaryIO | None = None
        self._rest = b""
        self._stories: OrderedDict[str, list[Json]] = OrderedDict()

    def story(self, job_id: str) -> list[Json]:
        """The events of a job so far, oldest first; empty when nothing is known of it."""
        self._read_on()
        return sorted(self._stories.get(job_id, []), key=lambda event: str(event["at"]))

    def new_lines(self) -> list[str]:
        """A line for the terminal of each event since the last time."""
        self._read_on()
        lines = list(self._unshown)
        self._unshown.clear()
        return lines

    def _read_on(self) -> None:
        if self._file is None:
            try:
                self._file = self._log.open("rb")
            except FileNotFoundError:
                return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            logged = json.loads(line)
        except ValueError:
            return  # something that a function printed
        if not isinstance(logged, dict) or logged.get("message") in _OF_THE_WIRE:
            return
        if logged.get("message") == "price unknown" and logged.get("model") in MODELS:
            return  # the stand-in has none
        if not isinstance(job_id := logged.get("jobId"), str):
            return
        event = {
            "at": str(logged.get("timestamp", "")).replace("+00:00", "Z"),
            "event": logged.get("message"),
            **{
                name: value
                for name, value in logged.items()
                if name not in _OF_THE_LINE and not name.startswith(_METRICS)
            },
        }
        story = self._stories.setdefault(job_id, [])
        if len(story) < MAX_EVENTS:
            story.append(event)
        self._stories.move_to_end(job_id)
        if len(self._stories) > MAX_JOBS:
            self._stories.popitem(last=False)
        self._unshown.append(line_of(job_id, event))


def line_of(job_id: str, event: Mapping[str, Any]) -> str:
    """One event as a line for the terminal: the time, the job, its task, what happened."""
    clock = str(event["at"]).partition("T")[2][:8]
    task = str(event.get("task", ""))[:_TASK_SHOWN]
    line = (
        f"{clock}  {job_id[:_ID_SHOWN]}  {task:{_TASK_SHOWN}}  "
        f"{event['event']:{_EVENT_SHOWN}}  {_detail(event)}"
    )
    # A complaint may quote a model, which must not steer a terminal.
    return "".join(letter if letter.isprintable() else " " for letter in line).rstrip()


def _detail(event: Mapping[str, Any]) -> str:
    match event["event"]:
        case "job claimed" if "queueSeconds" in event:
            return f"after {event['queueSeconds']:.1f} s in the queue"
        case "job taken over":
            return "from a worker that did not come to an end"
        case "model call":
            return _call(event)
        case "answer rejected":
            said = event.get("because") or event.get("kinds") or []
            return f"because {'; '.join(map(str, said))}"
        case "climbed":
            return f"to {event.get('model')}"
        case "job given back":
            return f"for {event.get('delaySeconds')} s"
        case "part stored" | "result stored":
            parts = f"{event['parts']} " if event.get("parts") else ""
            return f"{parts}after {event.get('seconds', 0):.1f} s"
        case "job failed":
            return str(event.get("code"))
        case "price unknown":
            return f"of {event.get('model')}"
        case _:
            return ""


def _call(event: Mapping[str, Any]) -> str:
    parts = [str(event.get("model")), str(event.get("ending")), f"{event.get('seconds', 0):.1f} s"]
    if event.get("calls"):
        parts.append(f"{event.get('input_tokens', 0)} + {event.get('output_tokens', 0)} tokens")
    if cost_microusd := event.get("cost_microusd"):
        parts.append(f"${cost_microusd / 1_000_000:.4f}")
    return ", ".join(parts)
