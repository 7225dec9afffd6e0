"""The announcement of jobs that have ended, or come on, to their subscribers."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from connections import Connections
from frame import job_frame
from simmer.jobs.item import job_of
from simmer.jobs.job import Job
from simmer.jobs.store import JobStore, connection_of
from simmer.web.http import logger, whereabouts

# Threads: a connection that hangs holds up few others.
_THREADS = 10


@dataclass(frozen=True, slots=True)
class _News:
    """What a record tells of a job to its subscribers."""

    number: str
    job: Job
    frame: str
    places: list[str]  # of `Job.subscribers`


def announce(
    records: Sequence[Mapping[str, Any]], connections: Connections, store: JobStore, now_ms: int
) -> list[str]:
    """Tell each job in these records of the table's stream to its subscribers.

    The template's filter passes only writes that tell something to subscribers. Of several of one
    run the last is told, which says all. What is open after its deadline is told to nobody.
    Returns the sequence numbers of the records that did not reach every subscriber. When such a
    record is announced again, the other subscribers hear of it twice. What is no record of a job
    never will be one: it is logged and left out.
    """

    def tell(place: str, what: _News) -> bool:
        job = what.job
        try:
            is_there = connections.send(connection_of(place), what.frame)
            if not (is_there or job.status.is_terminal):
                store.unsubscribe(job, place)
        except Exception as error:
            cause = error.__cause__ or error
            ids = {"jobId": job.job_id, "runId": job.run_id}
            logger.warning("subscriber not told", extra={**ids, **whereabouts(cause)})
            return False
        return True

    news = {str(each.job.run_id): each for record in records if (each := _read(record, now_ms))}
    with ThreadPoolExecutor(_THREADS) as threads:
        telling = [
            (each.number, [threads.submit(tell, to, each) for to in each.places])
            for each in news.values()
            if not each.job.is_overdue(now_ms)
        ]
        return [number for number, told in telling if not all(each.result() for each in told)]


def _read(record: Mapping[str, Any], now_ms: int) -> _News | None:
    try:
        change = record["dynamodb"]
        job = job_of(change["NewImage"])
        return _News(change["SequenceNumber"], job, job_frame(job, now_ms), sorted(job.subscribers))
    except Exception as error:
        logger.error("unexpected error", extra=whereabouts(error))
        return None
