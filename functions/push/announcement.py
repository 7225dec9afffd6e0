"""The announcement of jobs that have ended, or come on, to their subscribers."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from connections import Connections
from frame import job_frame
from simmer.jobs.item import job_of
from simmer.jobs.job import Job
from simmer.web.http import logger, whereabouts

# Threads: a connection that hangs holds up few others.
_THREADS = 10


def announce(
    records: Sequence[Mapping[str, Any]], connections: Connections, now_ms: int
) -> list[str]:
    """Tell each job in these records of the table's stream to its subscribers.

    The template's filter passes only writes that tell something to subscribers. Of several of one
    run the last is told, which says all. What is open after its deadline is told to nobody.
    Returns the sequence numbers of the records that did not reach every subscriber. When such a
    record is announced again, the other subscribers hear of it twice.
    """

    def tell(connection_id: str, frame: str, job: Job) -> bool:
        try:
            connections.send(connection_id, frame)
        except Exception as error:
            cause = error.__cause__ or error
            ids = {"jobId": job.job_id, "runId": job.run_id}
            logger.warning("subscriber not told", extra={**ids, **whereabouts(cause)})
            return False
        return True

    failed = []
    changes = [record["dynamodb"] for record in records]
    with ThreadPoolExecutor(_THREADS) as threads:
        telling = []
        jobs = [(each["SequenceNumber"], job_of(each["NewImage"])) for each in changes]
        last = {(job.job_id, job.run_id): number for number, job in jobs}
        for number, job in jobs:
            if number != last[job.job_id, job.run_id] or job.is_overdue(now_ms):
                continue
            frame = job_frame(job, now_ms)
            told = [threads.submit(tell, each, frame, job) for each in sorted(job.subscribers)]
            telling.append((number, told))
        for sequence_number, told in telling:
            if not all(each.result() for each in told):
                failed.append(sequence_number)
    return failed
