"""The status through a cache: a real server, and whatever may befall it."""

import io
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.child import free_port
from simmer import valkey
from simmer.errors import DependencyUnavailable
from simmer.jobs import cache
from simmer.jobs.cache import BREAK_MS, CachedItems, items_by
from simmer.jobs.job import CLOCK_SKEW_MS, ErrorCode, Usage
from simmer.jobs.leases import LeaseStore
from simmer.waiting.polling import SHORTEST_SECONDS
from tests.patience import until
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import RESULT, RETENTION_SECONDS, TABLE, Cloud, WorkerSide, table_of
from tests.unit.events import document
from tests.unit.simmer.certificates import Authority
from tests.valkey import ValkeyServer, needs_a_server, running

pytestmark = [needs_a_server, pytest.mark.enable_socket, pytest.mark.usefixtures("shared_cache")]

ASKED = {"ingredients": ["egg"], "locale": "en"}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    yield from running(tmp_path_factory.mktemp("valkey"))


@pytest.fixture
def server(_server: ValkeyServer, use: Callable[[str], None]) -> ValkeyServer:
    """Empty, and used by the functions."""
    _server.ask("FLUSHALL")
    use(_server.url)
    return _server


@pytest.fixture
def own_server(tmp_path: Path, use: Callable[[str], None]) -> Iterator[ValkeyServer]:
    """One that the test may break."""
    for server in running(tmp_path):
        use(server.url)
        yield server


@pytest.fixture
def use(api: Api, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    # Far longer than any test takes; `test_what_is_open_is_kept_…` is about the time itself.
    monkeypatch.setattr(cache, "OPEN_MS", 600_000)
    return lambda url: monkeypatch.setenv("STATUS_CACHE_URL", url)


@pytest.fixture
def worker(cloud: Cloud, clock: Clock, api: Api, use: Any) -> WorkerSide:
    return WorkerSide(cloud, clock)


def through(worker: WorkerSide, cloud: Cloud, url: str) -> WorkerSide:
    """The worker, with the cache."""
    worker.leases = LeaseStore(table_of(cloud.dynamodb), items_by(url, is_read=False))
    return worker


def submitted(api: Api, user: str = "alice") -> str:
    job_id: str = document(api.submit(ASKED, user=user))["jobId"]
    return job_id


def reads(cloud: Cloud, poll: Callable[[], Any]) -> int:
    """How often a poll has read the table."""
    before = cloud.calls.count("get_item")
    poll()
    return cloud.calls.count("get_item") - before


def kept(server: ValkeyServer, job_id: str) -> str:
    return server.ask("GET", f"{TABLE} {job_id}")


# ── What it spares ────────────────────────────────────────────────────────────────────────────────


def test_the_second_poll_of_an_open_job_reads_no_table(
    api: Api, cloud: Cloud, server: ValkeyServer
) -> None:
    job_id = submitted(api)

    assert reads(cloud, lambda: api.status(job_id)) == 1
    first = api.status(job_id)
    assert reads(cloud, lambda: api.status(job_id)) == 0
    assert api.status(job_id) == first
    server.ask("FLUSHALL")
    assert api.status(job_id) == first


def test_a_cached_document_is_the_same_to_the_byte_in_every_state(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)

    def both() -> None:
        clock.advance(3)
        server.ask("FLUSHALL")
        fresh = api.status(job_id)
        spared = reads(cloud, lambda: seen.append(api.status(job_id)))
        assert (spared, seen.pop()) == (0, fresh)

    seen: list[dict[str, Any]] = []
    both()
    job = worker.claim(job_id)
    both()
    titles = json.dumps({"recipes": [{"title": "Soup"}, {"title": "Rice"}]})
    news = {"outline": titles, "part_0": '{"name":"Soup"}' + " " * 500}
    worker.leases.heartbeat(job, clock.now_ms + 30_000, news)
    both()
    worker.leases.complete(
        job, RESULT, Usage(calls=1), retention_seconds=RETENTION_SECONDS, now_ms=clock.now_ms
    )
    both()


def test_a_completed_job_is_served_without_the_table_from_the_first_poll_on(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    through(worker, cloud, server.url).complete(job_id)

    answers: list[Any] = []
    assert reads(cloud, lambda: answers.append(api.status(job_id))) == 0
    assert RESULT in answers[0]["body"]
    left_ms = int(server.ask("PTTL", f"{TABLE} {job_id}").removeprefix(":"))
    assert 0 < left_ms <= cache.COMPLETED_MS == 3_600_000


def test_a_completed_job_that_a_poll_has_read_is_kept(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    worker.complete(job_id)

    assert reads(cloud, lambda: api.status(job_id)) == 1
    assert reads(cloud, lambda: api.status(job_id)) == 0


def test_what_only_one_user_can_see_is_kept_when_it_is_completed(
    api: Api,
    cloud: Cloud,
    worker: WorkerSide,
    server: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CACHE_SCOPE", "user")
    job_id = submitted(api)
    api.status(job_id)
    assert reads(cloud, lambda: api.status(job_id)) == 1
    worker.complete(job_id)
    api.status(job_id)
    assert reads(cloud, lambda: api.status(job_id)) == 0


def test_without_an_address_nothing_is_asked(api: Api, cloud: Cloud) -> None:
    job_id = submitted(api)

    assert [reads(cloud, lambda: api.status(job_id)) for _ in range(2)] == [1, 1]


# ── How late it may be ────────────────────────────────────────────────────────────────────────────


def test_what_is_open_is_kept_for_no_longer_than_the_shortest_pause_between_two_polls() -> None:
    """So who polls as told asks for nothing that was read before his last answer came."""
    assert cache.OPEN_MS <= SHORTEST_SECONDS * 1000


def test_the_time_of_an_open_job_begins_before_it_is_read(
    api: Api, cloud: Cloud, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reader's own clock says, and however long it takes to fill in what it read."""
    monkeypatch.setattr(cache, "OPEN_MS", 250)
    job_id = submitted(api)
    get_item = cloud.dynamodb._client.get_item

    def slow(**arguments: Any) -> Any:
        found = get_item(**arguments)
        until(lambda: kept(server, job_id) == "$-1")  # the mark's time is over
        return found

    cloud.dynamodb._client = Overlaid(cloud.dynamodb._client, get_item=slow)
    assert document(api.status(job_id))["status"] == "pending"
    assert kept(server, job_id) == "$-1"


def test_what_was_filled_in_ends_with_the_time_of_its_mark(
    api: Api, cloud: Cloud, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "OPEN_MS", 250)
    job_id = submitted(api)
    api.status(job_id)
    left_ms = server.ask("PTTL", f"{TABLE} {job_id}")
    assert left_ms == ":-2" or 0 <= int(left_ms[1:]) <= 250  # over, or within it
    until(lambda: kept(server, job_id) == "$-1")


def test_to_fill_in_does_not_begin_the_time_anew(
    api: Api, cloud: Cloud, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    get_item = cloud.dynamodb._client.get_item

    def meanwhile(**arguments: Any) -> Any:
        server.ask("PEXPIRE", f"{TABLE} {job_id}", str(2 * cache.OPEN_MS))
        return get_item(**arguments)

    cloud.dynamodb._client = Overlaid(cloud.dynamodb._client, get_item=meanwhile)
    api.status(job_id)

    assert kept(server, job_id).startswith("{")
    assert int(server.ask("PTTL", f"{TABLE} {job_id}")[1:]) > cache.OPEN_MS


def overtaken(api: Api, cloud: Cloud, job_id: str, write: Callable[[str], Any]) -> Any:
    """A poll that reads the table, and is then stopped until this write is done."""
    real = cloud.dynamodb._client
    before = real.get_item(TableName=TABLE, Key={"pk": {"S": f"job#{job_id}"}})

    def late(**_: Any) -> Any:
        write(job_id)
        return before

    cloud.dynamodb._client = Overlaid(real, get_item=late)
    answer = api.status(job_id)
    cloud.dynamodb._client = real
    return answer


def test_a_reader_that_was_overtaken_by_a_writer_fills_in_nothing(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    answer = overtaken(api, cloud, job_id, through(worker, cloud, server.url).claim)

    assert document(answer)["status"] == "pending"  # as it was when it was read
    assert document(api.status(job_id))["status"] == "processing"


def test_a_reader_that_was_overtaken_by_the_end_does_not_write_over_it(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    overtaken(api, cloud, job_id, through(worker, cloud, server.url).complete)

    assert document(api.status(job_id))["status"] == "completed"


def test_a_cancel_is_seen_at_once(api: Api, server: ValkeyServer) -> None:
    job_id = submitted(api)
    api.status(job_id)
    api.cancel(job_id)

    assert document(api.status(job_id))["status"] == "cancelled"


def test_each_write_of_a_worker_is_seen_at_once(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    writer = through(worker, cloud, server.url)
    seen = [document(api.status(job_id))["status"]]
    job = writer.claim(job_id)
    seen.append(document(api.status(job_id))["status"])
    writer.leases.release(job, Usage(), first_rung=0, awaits_capacity=True)
    seen.append(document(api.status(job_id))["message"])
    writer.fail(job_id, ErrorCode.REFUSED)
    seen.append(document(api.status(job_id))["errorCode"])

    assert seen == ["pending", "processing", "The model is busy, waiting for room...", "refused"]


def test_what_has_failed_is_not_kept_so_its_next_run_is_seen_at_once(
    api: Api, cloud: Cloud, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    worker.fail(job_id, ErrorCode.INTERNAL)
    server.ask("FLUSHALL")
    assert document(api.status(job_id))["status"] == "failed"
    assert not kept(server, job_id).startswith("{")
    assert submitted(api) == job_id

    assert document(api.status(job_id))["status"] == "pending"


def test_an_overdue_job_has_failed_though_the_cache_has_it_open(
    api: Api, cloud: Cloud, clock: Clock, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    api.status(job_id)
    clock.advance(301)

    assert document(api.status(job_id))["errorCode"] == "deadline_exceeded"
    assert cloud.job(job_id)["status"] == "failed"


@pytest.mark.parametrize("is_slow_clock", [False, True])
def test_a_completed_job_is_gone_when_its_time_is_over_and_before_by_a_skewed_clock(
    api: Api,
    cloud: Cloud,
    clock: Clock,
    worker: WorkerSide,
    server: ValkeyServer,
    *,
    is_slow_clock: bool,
) -> None:
    """Another function's clock may be ahead: it may have begun the next run already."""
    job_id = submitted(api)
    worker.complete(job_id)
    api.status(job_id)
    clock.advance(RETENTION_SECONDS)
    if is_slow_clock:
        clock.now_ms -= CLOCK_SKEW_MS
        assert reads(cloud, lambda: api.status(job_id)) == 1
    else:
        assert api.status(job_id)["statusCode"] == 404


def test_a_completed_job_is_kept_no_longer_than_it_is_there(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    worker.complete(job_id)
    clock.advance(RETENTION_SECONDS - 100)
    api.status(job_id)

    left_ms = int(server.ask("PTTL", f"{TABLE} {job_id}").removeprefix(":"))
    assert 0 < left_ms <= 100_000 - CLOCK_SKEW_MS
    clock.advance(99)
    server.ask("FLUSHALL")
    assert api.status(job_id)["statusCode"] == 200
    assert int(server.ask("PTTL", f"{TABLE} {job_id}").removeprefix(":")) <= cache.OPEN_MS


# ── Whose it is, and what is in it ────────────────────────────────────────────────────────────────


def test_a_stranger_and_another_tasks_path_find_nothing(
    api: Api,
    cloud: Cloud,
    worker: WorkerSide,
    server: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CACHE_SCOPE", "user")
    job_id = submitted(api)
    worker.complete(job_id)
    api.status(job_id)

    assert api.status(job_id, user="mallory")["statusCode"] == 404
    assert api.status(job_id, task="workout")["statusCode"] == 404
    assert api.status("0" * 32)["statusCode"] == api.status("x" * 5000)["statusCode"] == 404
    assert api.status(job_id)["statusCode"] == 200


def test_what_is_kept_of_one_job_is_never_taken_for_another(
    api: Api, cloud: Cloud, server: ValkeyServer
) -> None:
    mine, other = submitted(api), document(api.submit({"ingredients": ["rice"]}))["jobId"]
    api.status(other)
    server.ask("SET", f"{TABLE} {mine}", kept(server, other))

    assert document(api.status(mine))["jobId"] == mine


def test_two_deployments_may_share_a_server(api: Api, cloud: Cloud, server: ValkeyServer) -> None:
    """The same request of the same user has the same id in both."""
    job_id = submitted(api)
    api.status(job_id)
    table = table_of(cloud.dynamodb)
    table.name = "another-jobs-table"

    assert kept(server, job_id) != "$-1"
    assert CachedItems(valkey.Server(server.url), True, table)._ask("GET", job_id) is None
    with pytest.raises(DependencyUnavailable):  # it asks its own table, which is none here
        CachedItems(valkey.Server(server.url), True, table).read(job_id)


def test_the_request_is_not_in_the_cache(
    api: Api, worker: WorkerSide, server: ValkeyServer
) -> None:
    job_id = submitted(api)
    api.status(job_id)
    open_text = kept(server, job_id)
    worker.complete(job_id)
    server.ask("FLUSHALL")
    api.status(job_id)

    for text in (open_text, kept(server, job_id)):
        item = json.loads(text)
        assert item["job_id"] == {"S": job_id}
        assert item["request"] == {"S": ""}
        assert [word for word in ("egg", "lease") if word in text] == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "null",
            "[]",
            "7",
            '"text"',
            "{}",
            '{"pk": {"S": "job#1"}}',
            "\x00\xff",
            "1e400",
        ),
        '{"job_id": {"S": "JOB"}, "status": {"S": "done"}}',
        '{"job_id": {"S": "JOB"}, "status": {"S": "completed"}, "result": {"B": "????"}}',
        "[" * 100_000,
        "0123456789abcdef" * 2,
    ],
)
def test_rubbish_in_the_cache_is_a_miss(
    api: Api, cloud: Cloud, server: ValkeyServer, text: str
) -> None:
    job_id = submitted(api)
    server.ask("SET", f"{TABLE} {job_id}", text.replace("JOB", job_id))

    answers: list[Any] = []
    assert reads(cloud, lambda: answers.append(api.status(job_id))) == 1
    assert document(answers[0])["status"] == "pending"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failure_in_the_cache_is_a_miss(
    api: Api, cloud: Cloud, server: ValkeyServer, status: str
) -> None:
    job_id = submitted(api)
    api.status(job_id)
    item = json.loads(kept(server, job_id)) | {"status": {"S": status}}
    server.ask("SET", f"{TABLE} {job_id}", json.dumps(item))

    assert document(api.status(job_id))["status"] == "pending"


# ── Its faults ────────────────────────────────────────────────────────────────────────────────────


def answers_right(api: Api, cloud: Cloud, worker: WorkerSide) -> None:
    """A job from its submit to its end, with polls and a cancel of another."""
    job_id = submitted(api)
    seen = [document(api.status(job_id))["status"]]
    worker.claim(job_id)
    seen.append(document(api.status(job_id))["status"])
    cloud.edit_job(job_id, status="pending", lease_token=None)
    worker.complete(job_id)
    seen.append(document(api.status(job_id))["status"])
    assert seen == ["pending", "processing", "completed"]
    other = document(api.submit({"ingredients": ["leek"]}))["jobId"]
    assert document(api.cancel(other))["status"] == "cancelled"
    assert document(api.status(other))["status"] == "cancelled"
    cloud.delete_job(other)
    cloud.delete_job(job_id)


def warnings(log: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["message"] == "status cache failed"]


def test_a_server_that_is_killed_is_not_noticed(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, own_server: ValkeyServer
) -> None:
    through(worker, cloud, own_server.url)
    answers_right(api, cloud, worker)
    own_server.kill()
    answers_right(api, cloud, worker)
    own_server.start()
    clock.advance(BREAK_MS / 1000)
    answers_right(api, cloud, worker)
    job_id = submitted(api)
    api.status(job_id)
    assert reads(cloud, lambda: api.status(job_id)) == 0, "it is used again"


def test_a_server_that_was_restarted_costs_not_even_a_miss_of_ten_seconds(
    api: Api, cloud: Cloud, own_server: ValkeyServer, log: io.StringIO
) -> None:
    job_id = submitted(api)
    api.status(job_id)
    own_server.kill()
    own_server.start()

    assert reads(cloud, lambda: api.status(job_id)) == 1  # it is empty
    assert reads(cloud, lambda: api.status(job_id)) == 0
    assert warnings(log) == []


def test_a_server_that_hangs_costs_one_poll_its_patience_and_the_next_nothing(
    api: Api,
    cloud: Cloud,
    clock: Clock,
    worker: WorkerSide,
    own_server: ValkeyServer,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []
    real = valkey.Server.__call__

    def counted(self: valkey.Server, *words: str) -> bytes | None:
        asked.append(words)
        return real(self, *words)

    monkeypatch.setattr(valkey.Server, "__call__", counted)
    job_id = submitted(api)
    api.status(job_id)
    own_server.freeze()
    asked.clear()

    for _ in range(5):
        assert document(api.status(job_id))["status"] == "pending"
    assert len(asked) == 1
    assert [each["type"] for each in warnings(log)] == ["TimeoutError"]
    clock.advance(BREAK_MS / 1000)
    api.status(job_id)
    assert len(asked) == 2
    own_server.thaw()
    clock.advance(BREAK_MS / 1000)
    api.status(job_id)
    assert reads(cloud, lambda: api.status(job_id)) == 0


def test_a_full_server_is_not_noticed(
    api: Api, cloud: Cloud, worker: WorkerSide, own_server: ValkeyServer, log: io.StringIO
) -> None:
    own_server.ask("CONFIG", "SET", "maxmemory", "1")
    answers_right(api, cloud, through(worker, cloud, own_server.url))

    assert [each["type"] for each in warnings(log)][:1] == ["ConnectionError"]


def test_a_server_that_wants_a_password_is_not_noticed(
    api: Api, cloud: Cloud, worker: WorkerSide, tmp_path: Path, use: Callable[[str], None]
) -> None:
    for server in running(tmp_path, "--requirepass", "secret"):
        use(server.url)
        answers_right(api, cloud, through(worker, cloud, server.url))


def test_over_tls_it_is_the_server_of_that_name_or_none(
    api: Api,
    cloud: Cloud,
    worker: WorkerSide,
    tmp_path: Path,
    use: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    authority = Authority(tmp_path)
    authority.context("localhost")
    pair, port = str(tmp_path / "localhost.pem"), free_port()
    files = ("--tls-cert-file", pair, "--tls-key-file", pair)
    options = ("--tls-port", str(port), *files, "--tls-auth-clients", "no")
    for server in running(tmp_path, *options):
        url = f"rediss://localhost:{port}"
        use(url)
        answers_right(api, cloud, through(worker, cloud, url))  # none of Amazon's
        assert [each["type"] for each in warnings(log)][:1] == ["SSLCertVerificationError"]
        assert server.ask("DBSIZE") == ":0"

        monkeypatch.setattr(valkey, "AMAZON_ROOTS", str(authority.file))
        ask = valkey.Server(url)
        assert (ask("SET", "a", "é"), ask("GET", "a")) == (None, "é".encode())
        with pytest.raises(ssl.SSLCertVerificationError):
            valkey.Server(f"rediss://127.0.0.1:{port}")("GET", "a")


def test_a_key_of_another_kind_is_not_noticed(api: Api, cloud: Cloud, server: ValkeyServer) -> None:
    job_id = submitted(api)
    server.ask("RPUSH", f"{TABLE} {job_id}", "x")

    assert document(api.status(job_id))["status"] == "pending"


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1",
        "redis://no.such.host.invalid:6379",
        "rediss://[",
        "nonsense",
        "redis://",
    ],
)
def test_an_address_where_nobody_is_is_not_noticed(
    api: Api, cloud: Cloud, worker: WorkerSide, use: Callable[[str], None], url: str
) -> None:
    use(url)
    answers_right(api, cloud, through(worker, cloud, url))


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$", b"$5\r\nab", b"$x\r\n"),
        *(b"-ERR unknown command\r\n", b"-MOVED 1 10.0.0.1:6379\r\n", b"$-7\r\n", b"*0\r\n"),
        *(b"$99999999\r\n{", b"\x00" * 5000, b"+OK\r\n", b":1\r\n", b"$2\r\n{}\r\n"),
    ],
)
def test_a_server_that_answers_rubbish_is_not_noticed(
    api: Api, cloud: Cloud, worker: WorkerSide, use: Callable[[str], None], said: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(said)
                except OSError:
                    if listening.fileno() < 0:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"redis://127.0.0.1:{listening.getsockname()[1]}"
        use(url)
        answers_right(api, cloud, through(worker, cloud, url))
        if said == b"$5\r\nab":
            with pytest.raises(ConnectionError):
                valkey.Server(url)("GET", "a")
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_is_logged_of_a_fault_is_its_type(
    api: Api, own_server: ValkeyServer, log: io.StringIO
) -> None:
    job_id = submitted(api)
    own_server.kill()
    api.status(job_id)
    api.status(job_id)

    [line] = warnings(log)
    usual = {"level", "location", "timestamp", "service", "message"}
    ids = {"jobId", "requestId", "lambdaRequestId"}
    assert line.keys() - usual - ids == {"type"}
    assert (line["level"], line["type"]) == ("WARNING", "ConnectionRefusedError")


class Overlaid:
    """A client, but for some of its calls."""

    def __init__(self, client: Any, **calls: Any) -> None:
        self._client = client
        self.__dict__.update(calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
