"""Counts times prices: dollars per 1,000 jobs, by what they are paid for.

What no run of the code can show is assumed here, each with its reason.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from bench.cost.deployed import Deployed, alarms, first_model
from bench.cost.event_source import IDLE_POLLERS, LONG_POLL_SECONDS
from bench.cost.recording import Recording
from prices import known_price

PRICES = json.loads(Path(__file__).with_name("aws_prices.json").read_text())
USD: Mapping[str, float] = PRICES["usd"]

MONTH_SECONDS = 730 * 3600
# What the functions of the API are billed for a call, at 512 MB: some milliseconds of CPU at a
# third of a processor, and the calls to DynamoDB and SQS that they wait for.
BILLED_SECONDS = {"submit": 0.040, "status": 0.015, "push": 0.020}
# A worker's start: its imports, which Lambda gives a whole processor for.
WORKER_START_SECONDS = 1.5
# With SystemLogLevel INFO Lambda writes platform.start and platform.report, about so long.
PLATFORM_LINES_BYTES = 620
ACCESS_LINE_BYTES = 330  # of the HTTP API, by the template's format
SECRETS = 2
# A worker reads the providers' keys so often while it works.
KEYS_READ_EVERY_SECONDS = 60


def gb_second_usd(deployed: Deployed) -> float:
    return USD[f"lambda_gb_second_{deployed.architecture}"]


def at_rest_usd() -> dict[str, float]:
    """A month in which nobody asks for anything."""
    polls = IDLE_POLLERS * MONTH_SECONDS / LONG_POLL_SECONDS
    return {
        "alarms": alarms() * USD["alarm_month"],
        "secrets": SECRETS * USD["secret_month"],
        "idle pollers": polls * USD["sqs_request"],
    }


def per_1000_jobs(recording: Recording, deployed: Deployed) -> dict[str, float]:
    """Dollars, by line; the last is the jobs' share of what a month at rest costs."""
    a_job = recording.a_job
    gb_second = gb_second_usd(deployed)
    api_seconds = sum(
        seconds * a_job(f"{name} invocations") for name, seconds in BILLED_SECONDS.items()
    )
    cold_seconds = a_job("worker cold starts") * WORKER_START_SECONDS
    worker_seconds = recording.worker_seconds / recording.jobs + cold_seconds
    invocations = sum(a_job(f"{name} invocations") for name in (*BILLED_SECONDS, "worker"))
    platform = PLATFORM_LINES_BYTES if deployed.system_log_level == "INFO" else 0
    log_bytes = (
        a_job("log_bytes") + invocations * platform + a_job("http_requests") * ACCESS_LINE_BYTES
    )
    secret_reads = a_job("secret_reads") + worker_seconds / KEYS_READ_EVERY_SECONDS
    jobs_a_month = recording.jobs / recording.seconds * MONTH_SECONDS
    lines = {
        "worker's GB-seconds": worker_seconds * deployed.worker_mb / 1024 * gb_second,
        "API's GB-seconds": api_seconds * deployed.api_mb / 1024 * gb_second,
        "invocations": invocations * USD["lambda_request"],
        "HTTP API": a_job("http_requests") * USD["http_api_request"],
        "WebSocket": a_job("websocket_messages") * USD["websocket_message"]
        + _connected_minutes(recording) * USD["websocket_connection_minute"],
        "DynamoDB written": a_job("written_units") * USD["dynamodb_written_unit"],
        "DynamoDB read": a_job("read_units") * USD["dynamodb_read_unit"],
        "SQS": a_job("sqs_requests") * USD["sqs_request"]
        + a_job("sqs send_message") * USD["sqs_fair_request"],
        "logs": log_bytes * USD["log_byte"],
        "secrets read": secret_reads * USD["secret_read"],
        # All of them occur in every hour.
        "metrics": recording.counts["metrics"] * USD["metric_month"] / jobs_a_month,
        "share of a month at rest": sum(at_rest_usd().values()) / jobs_a_month,
    }
    return {name: 1000 * usd for name, usd in lines.items()}


def _connected_minutes(recording: Recording) -> float:
    if not recording.counts["websocket_messages"]:
        return 0.0
    return recording.connected_seconds / 60 / recording.jobs


def article_per_1000_jobs(seconds: float, deployed: Deployed) -> float:
    """What the article's design would cost on the same services: a poll every 2 s, progress
    written every second, one job an invocation. Its row has 1 KB, and 5 with the result."""
    gb_second = gb_second_usd(deployed)
    polls = seconds / 2
    requests = polls + 1
    api_seconds = polls * BILLED_SECONDS["status"] + BILLED_SECONDS["submit"]
    usd = (
        seconds * deployed.worker_mb / 1024 * gb_second
        + api_seconds * deployed.api_mb / 1024 * gb_second
        + requests * (USD["http_api_request"] + USD["lambda_request"])
        + (1 + seconds + 5) * USD["dynamodb_written_unit"]
        + polls * USD["dynamodb_read_unit"]
    )
    return 1000 * usd


def model_per_1000_jobs(input_tokens: int, output_tokens: int) -> tuple[str, float]:
    """The default ladder's first model, and what it takes for one call a job."""
    model = first_model()
    price = known_price(model)
    assert price is not None, model
    usd = float(input_tokens * price.input + output_tokens * price.output) / 1_000_000
    return model, 1000 * usd
