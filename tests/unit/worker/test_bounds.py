"""An answer that does not end (here at 64 MB): it is read up to a length, and the batch goes on."""

import asyncio
import gzip
import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from ladder import Ladder, Rung
from provider import Provider, _client
from providers.bounds import MAX_BODY_BYTES
from simmer.jobs.job import Usage
from simmer.web.http import logger  # noqa: F401  # the parent of all loggers
from tests.unit.worker.servers import Answering, Crude, completion, eventually, says

pytestmark = pytest.mark.enable_socket


class Keys:
    def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803
        return {"SecretString": '{"default": "k"}'}


@pytest.fixture(scope="module")
def crude() -> Iterator[Crude]:
    with Crude() as server:
        yield server


def _ask(crude: Crude) -> Any:
    rungs: list[Rung] = list(
        Ladder.parse(json.dumps([{"model": "m", "baseUrl": f"{crude.url}/v1"}]))
    )
    _client.cache_clear()  # its connections belong to a loop that is closed
    provider = Provider("keys", Keys())
    messages: Any = [{"role": "user", "content": "hello"}]
    options: Any = {"max_output_tokens": 10, "timeout_seconds": 300}
    return asyncio.run(provider.ask(rungs[0], messages, None, **options))


def _endless(status: int, encoding: str, chunks: Iterator[bytes]) -> Answering:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        if encoding:
            headers["Content-Encoding"] = encoding
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return answer


def _zeros() -> Iterator[bytes]:
    """A bomb: a thousandth of what it becomes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(400):
        yield packer.compress(bytes(10**6)) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_what_does_not_end_is_left_and_counts_as_a_call(
    crude: Crude, status: int, encoding: str
) -> None:
    before = crude.closed_early
    chunks = _zeros() if encoding else itertools.repeat(b" " * 65536, 1000)
    crude.answer = _endless(status, encoding, chunks)

    answer = _ask(crude)

    assert (answer.ending, answer.text) == ("malformed", "")
    assert answer.usage == Usage(unreported_calls=1)
    eventually(lambda: crude.closed_early == before + 1)


@pytest.mark.parametrize("is_zipped", [False, True])
def test_what_is_long_and_ends_is_read(crude: Crude, is_zipped: bool) -> None:
    said = completion(message={"role": "assistant", "content": "x" * (MAX_BODY_BYTES // 2)})
    if is_zipped:
        packed = gzip.compress(json.dumps(said).encode())
        crude.answer = _endless(200, "gzip", iter([packed]))
    else:
        crude.answer = says(said)

    assert len(_ask(crude).text) == MAX_BODY_BYTES // 2
