"""The metrics of a job's story, in CloudWatch's embedded metric format: CloudWatch reads them out
of the log lines that hold them.

Names are OpenTelemetry's (its GenAI conventions of November 2026) where it has one. A metric costs
$0.30 a month for each combination of its dimensions' values, in hours in which it occurs: so an
event, a model or an error code may be a dimension, a job or a user never.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

type Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, from the fields of an event's line; without the field it is not there.

    Without `of` it counts the events. `dimensions`: by name, the field that has the value, or
    after a `=` the value itself.
    """

    name: str
    unit: str = "Count"
    of: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    factor: float = 1


_MODEL = {"gen_ai.request.model": "model"}
_EVERY = Metric("simmer.job.events", dimensions={"event": "event"})
METRICS: Mapping[str, tuple[Metric, ...]] = {
    "job claimed": (Metric("simmer.job.queue.duration", "Seconds", "queueSeconds"),),
    "model call": (
        Metric("gen_ai.client.operation.duration", "Seconds", "seconds", _MODEL),
        *(
            Metric("gen_ai.client.token.usage", of=f"{kind}_tokens", dimensions=dimensions)
            for kind in ("input", "output")
            for dimensions in [{**_MODEL, "gen_ai.token.type": f"={kind}"}]
        ),
        Metric("simmer.model.cost", "None", "cost_microusd", _MODEL, 1e-6),  # in dollars
        Metric("simmer.model.failures", dimensions={"error.type": "errorType"}),
    ),
    "part stored": (Metric("simmer.job.first_part.duration", "Seconds", "firstPartSeconds"),),
    "result stored": (
        Metric("gen_ai.workflow.duration", "Seconds", "seconds", {"gen_ai.workflow.name": "task"}),
        # Of a bar that is right, 10 of 100 stand under 10 at their end, 50 under 50, 90 under 90.
        Metric("simmer.bar.position", "Percent", "barPercent"),
    ),
    "job failed": (Metric("simmer.job.failures", dimensions={"error.code": "code"}),),
}


def embedded(namespace: str, event: str, fields: Mapping[str, Any], now_ms: int) -> list[Line]:
    """What makes the event's line one with metrics; further ones are lines of their own, for a
    line has a name only once."""
    told = {**fields, "event": event}
    lines: list[Line] = [{}]
    for metric in (_EVERY, *METRICS.get(event, ())):
        value = told.get(metric.of) if metric.of else 1
        dimensions = {
            name: source[1:] if source.startswith("=") else str(told.get(source) or "")
            for name, source in metric.dimensions.items()
        }
        if not value or not all(dimensions.values()):
            continue
        if metric.name in lines[-1]:
            lines.append({})
        line = lines[-1]
        line |= {**dimensions, metric.name: value * metric.factor}
        about = line.setdefault("_aws", {"Timestamp": now_ms, "CloudWatchMetrics": []})
        about["CloudWatchMetrics"].append(
            {
                "Namespace": namespace,
                "Dimensions": [list(dimensions)],
                "Metrics": [{"Name": metric.name, "Unit": metric.unit}],
            }
        )
    return lines
