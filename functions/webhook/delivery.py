"""The delivery of a batch: its messages side by side, and a pause for each that failed."""

import random
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from receiver import NotDelivered, Receiver
from simmer.errors import DependencyUnavailable
from simmer.jobs.queue import JobQueue
from simmer.web.http import logger, part, whereabouts

# For all that a receiver does not answer at once, such as headers that drip. The function's
# time-out is longer: what was delivered is acknowledged by then.
BATCH_SECONDS = 15
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 3600


def deliver(records: Sequence[Mapping[str, Any]], receiver: Receiver, queue: JobQueue) -> list[str]:
    """Send each record of the queue; the ids of the messages that must be shown again."""
    threads = ThreadPoolExecutor(len(records) or 1)
    sending = [threads.submit(receiver.send, part(record, "body")) for record in records]
    wait(sending, timeout=BATCH_SECONDS)
    threads.shutdown(wait=False, cancel_futures=True)
    return [
        part(record, "messageId")
        for record, sent in zip(records, sending, strict=True)
        if not _is_done(record, sent, queue)
    ]


def pause_seconds(receive_count: int, asked_seconds: int = 0) -> int:
    """The pause after so many tries: twice as long each time, and never many at one moment.
    What the server asked for counts if it is longer, up to the longest."""
    longest = min(FIRST_PAUSE_SECONDS << receive_count - 1, LONGEST_PAUSE_SECONDS)
    pause = round(longest * random.uniform(0.8, 1))
    return max(pause, min(asked_seconds, LONGEST_PAUSE_SECONDS))


def _is_done(record: Mapping[str, Any], sent: Future[None], queue: JobQueue) -> bool:
    job = re.search('"jobId": ?"([0-9a-f]{32})"', str(part(record, "body")))
    logger.append_keys(jobId=job and job[1], messageId=part(record, "messageId"))
    count = str(part(record, "attributes", "ApproximateReceiveCount"))
    tried = int(count) if re.fullmatch("[0-9]{1,4}", count) else 1
    if not sent.done():
        failure = NotDelivered("no answer in time")
    elif (error := sent.exception()) is None:
        return True
    elif isinstance(error, NotDelivered):
        failure = error
    else:
        logger.error("unexpected error", extra=whereabouts(error))
        failure = NotDelivered("unexpected error")
    logger.warning("webhook not delivered", extra={"why": str(failure), "tries": tried})
    if failure.is_final:
        return True
    try:
        queue.hide(part(record, "receiptHandle"), pause_seconds(tried, failure.pause_seconds))
    except DependencyUnavailable:
        logger.warning("message not hidden")  # then it comes after the queue's own time-out
    return False
