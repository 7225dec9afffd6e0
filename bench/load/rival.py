"""The status request as a team would write it with FastAPI and Redis, for comparison."""

import json
import os

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from redis.asyncio import Redis

app = FastAPI()
redis = Redis(port=int(os.environ["REDIS_PORT"]))


class Status(BaseModel):
    """Where a job stands."""

    jobId: str  # noqa: N815
    status: str
    progress: int
    createdAt: str  # noqa: N815


@app.get("/{task}/status/{job_id}")
async def status(task: str, job_id: str) -> Status:
    stored = await redis.get(f"{task}:{job_id}")
    if stored is None:
        raise HTTPException(404)
    return Status(**json.loads(stored))
