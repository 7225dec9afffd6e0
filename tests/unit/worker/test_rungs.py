"""What a rung may say, as an endpoint sees it; and how long a job waits for one."""

import asyncio
import json
import logging
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import provider as provider_module
from calls import OUTPUT_TOKENS_A_SECOND
from ladder import Ladder, UnusableLadder
from provider import PAUSE_SECONDS, Provider
from providers.outcomes import Answer, Throttled
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.fakes import VALID
from tests.unit.worker.playing import Call, Endpoint, Endpoints, Player, Reply, in_turn
from tests.unit.worker.servers import Crude, completion, says
from tests.unit.worker.workshop import KEY, Keys, Workshop, until

pytestmark = pytest.mark.enable_socket

GOOD = Reply(
    completion(
        message={"role": "assistant", "content": VALID},
        usage={"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 500},
    )
)
BROKE = Reply({"error": {"message": "Insufficient Balance", "code": "x"}}, 402)


class Several(Keys):
    """A secret with more than one entry."""

    def __init__(self, **entries: str) -> None:
        self.entries = {"default": KEY, **entries}

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
        return {"SecretString": json.dumps(self.entries)}


class Shop:
    """Players on ladders of scripted rungs, over one store and clock."""

    def __init__(self, cloud: Cloud, clock: Clock, records: list[logging.LogRecord]) -> None:
        self.clock = clock
        self._workshop = Workshop(cloud, clock)
        self._records = records
        self._servers: list[Endpoints] = []

    def player(
        self,
        endpoints: Sequence[Endpoint],
        rungs: Sequence[dict[str, Any]] | None = None,
        keys: Keys | None = None,
    ) -> Player:
        server = Endpoints(endpoints)
        server.__enter__()
        self._servers.append(server)
        names = ("small", "large")
        ladder = [
            {"model": name, **(rungs[i] if rungs else {})}
            for i, name in enumerate(names[: len(endpoints)])
        ]
        return Player(self._workshop, self._records, server, ladder, keys)

    def close(self) -> None:
        for server in self._servers:
            server.__exit__()


@pytest.fixture
def shop(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    one = Shop(cloud, clock, records)
    yield one
    one.close()


# --- What is sent ---------------------------------------------------------------------------------


def test_what_a_rung_says_is_what_is_sent(shop: Shop) -> None:
    rung = {
        "path": "/deployments/mine?api-version=1",
        "capField": "max_new_tokens",
        "maxOutputTokens": 700,
        "reasoningEffort": "low",
        "temperature": 0.5,
        "seed": 7,
        "seedField": "random_seed",
        "serviceTier": "flex",
        "extraBody": {"top_p": 0.9, "provider": {"order": ["a"]}},
        "headers": {"HTTP-Referer": "https://a.example", "x-team-token": {"secret": "team"}},
        "query": {"region": "eu"},
        "keyHeader": "api-key",
    }
    played = shop.player([in_turn([GOOD])], [rung], Several(team="t-1")).play()
    [call] = played.calls[0]
    assert played.ended == "completed"
    assert call.path == "deployments/mine/chat/completions"
    assert call.query == {"api-version": "1", "region": "eu"}
    sent = {name: value for name, value in call.body.items() if name not in ("messages", "model")}
    assert sent.pop("response_format")["type"] == "json_schema"
    assert sent == {
        "max_new_tokens": 700,
        "reasoning_effort": "low",
        "temperature": 0.5,
        "random_seed": 7,
        "service_tier": "flex",
        "top_p": 0.9,
        "provider": {"order": ["a"]},
    }
    assert call.headers["api-key"] == KEY
    assert call.headers["x-team-token"] == "t-1"
    assert call.headers["HTTP-Referer"] == "https://a.example"
    assert "Authorization" not in call.headers


def test_a_rung_without_a_key_sends_none_and_reads_no_secret(shop: Shop) -> None:
    class Unread(Keys):
        def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
            raise AssertionError("read")

    played = shop.player([in_turn([GOOD])], [{"key": ""}], Unread()).play()
    assert played.ended == "completed"
    assert "Authorization" not in played.calls[0][0].headers


def test_a_header_whose_entry_is_not_in_the_secret_is_the_operators(shop: Shop) -> None:
    rung = {"headers": {"x-token": {"secret": "nowhere"}}}
    played = shop.player([in_turn([GOOD])], [rung]).play()
    assert (played.ended, played.counts) == ("model_unavailable", [0])
    assert [line["ending"] for line in played.alarms] == ["key not in the secret"]


@pytest.mark.parametrize(
    ("role", "roles"),
    [("system", ["system", "user"]), ("developer", ["developer", "user"]), ("user", ["user"])],
)
def test_the_system_has_the_role_that_the_endpoint_knows(
    shop: Shop, role: str, roles: list[str]
) -> None:
    wrong = Reply(completion(message={"role": "assistant", "content": "{}"}))
    played = shop.player([in_turn([wrong, GOOD])], [{"systemRole": role}]).play()
    first, again = (call.body["messages"] for call in played.calls[0])
    assert [message["role"] for message in first] == roles
    assert [message["role"] for message in again] == [*roles, "assistant", "user"]
    plain = shop.player([in_turn([GOOD])]).play().calls[0][0].body["messages"]
    texts = "\n".join(message["content"] for message in plain)
    assert "\n".join(message["content"] for message in first) == texts


# --- A ladder that cannot work --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        ({"provider": "mistrall"}, "rung 2: provider: there is no 'mistrall', but openai, azure"),
        ({"provider": 5}, "rung 2: provider: there is no '5'"),
        ({"provider": "azure-classic"}, "rung 2: baseUrl: azure-classic needs yours, like https"),
        ({"provider": "ollama"}, "rung 2: baseUrl: ollama needs yours, like http://"),
        ({"baseUrl": "https://<resource>.openai.azure.com/openai/v1"}, "rung 2, baseUrl: "),
        ({"baseUrl": "https://me:secret@a.example/v1"}, "rung 2, baseUrl: "),
        ({"baseUrl": "https://a.example/v1#x"}, "rung 2, baseUrl: "),
        ({"thinking": False}, "rung 2: thinking: no switch of that provider's is known"),
        ({"provider": "xai", "thinking": True}, "rung 2: thinking: no switch"),
        ({"extraBody": {"max_tokens": 5}}, "rung 2: extraBody.max_tokens: is sent anyhow"),
        ({"extraBody": {"stream": True}}, "rung 2: extraBody.stream: "),
        ({"extraBody": {"response_format": {}}}, "structured"),
        ({"headers": {"api-key": "sk-1"}}, "rung 2: headers.api-key: not in a parameter"),
        ({"headers": {"Authorization": "Bearer sk-1"}}, "rung 2: headers.Authorization: "),
        ({"headers": {"x y": "1"}}, "rung 2, headers."),
        ({"headers": {"x": "a\r\nb"}}, "rung 2, headers."),
        ({"headers": {"x-token": {"secret": ""}}}, "rung 2, headers."),
        ({"maxOutputTokensLimit": 2000}, "rung 2: maxOutputTokensLimit: is below"),
        ({"capField": "max tokens"}, "rung 2, capField: "),
        ({"temperature": 3}, "rung 2, temperature: "),
        ({"maxConcurrency": 0}, "rung 2, maxConcurrency: "),
        ({"patienceSeconds": -1}, "rung 2, patienceSeconds: "),
        ({"systemRole": "boss"}, "rung 2, systemRole: "),
    ],
)
def test_a_ladder_that_cannot_work_is_refused_with_rung_and_field(
    rung: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnusableLadder) as refusal:
        Ladder.parse(json.dumps([{"model": "m"}, {"model": "m", **rung}]))
    assert said in str(refusal.value)
    assert "sk-1" not in str(refusal.value), "a key in the wrong place is not repeated"
    assert "me:secret" not in str(refusal.value)


# --- Waiting --------------------------------------------------------------------------------------


def away_for(shop: Shop, seconds: float, fault: Reply) -> Endpoint:
    back_at_ms = shop.clock.now_ms + seconds * 1000
    return lambda _: GOOD if shop.clock.now_ms >= back_at_ms else fault


@pytest.mark.parametrize(
    "fault",
    [
        Reply("<html>Bad Gateway</html>", 502),
        Reply({"error": {"message": "The server had an error"}}, 500),
        Reply({"error": {"message": "Loading model", "code": 503}}, 503),
        Reply({"error": {"message": "x", "code": 429}}, 200),
        Reply({"error": {"message": "x"}}, 429),
        Reply("", is_dropped=True),
    ],
    ids=lambda fault: f"{fault.status} {fault.is_dropped}",
)
def test_a_job_outlasts_a_single_rung_that_is_away_for_a_minute(shop: Shop, fault: Reply) -> None:
    played = shop.player([away_for(shop, 60, fault)]).play()
    assert (played.ended, played.alarms) == ("completed", [])
    assert 60 <= sum(played.delays) <= 90
    assert len(played.delays) <= 10, "it is asked less often the longer it is away"
    assert sorted(played.delays) == played.delays


def test_a_rung_that_stays_away_fails_the_job_before_its_deadline(shop: Shop) -> None:
    played = shop.player([away_for(shop, 10_000, Reply("", 502))]).play()
    assert played.ended == "model_unavailable"
    assert 240 <= sum(played.delays) < 300


def test_a_fault_at_our_expense_is_waited_for_once(shop: Shop) -> None:
    torn = Reply(completion(finish_reason="error", message={"content": VALID[:99]}))
    played = shop.player([in_turn([torn])]).play()
    assert (played.ended, played.counts, played.delays) == ("model_unavailable", [2], [3])
    assert played.endings == ["unknown end", "unknown end"]
    assert shop.player([in_turn([torn, GOOD])]).play().ended == "completed"


def test_a_fault_that_passes_asks_the_next_rung_first(shop: Shop) -> None:
    played = shop.player([in_turn([Reply("", 500)]), in_turn([GOOD])]).play()
    assert (played.ended, played.counts, played.delays) == ("completed", [1, 1], [])


def test_a_patient_rung_is_waited_for_before_the_next_one_is_asked(shop: Shop) -> None:
    """A flex rung at half the price has a 429 of its own."""
    full = Reply({"error": {"code": "resource_unavailable", "message": "x"}}, 429)
    flex = {"serviceTier": "flex", "patienceSeconds": 40}
    played = shop.player([away_for(shop, 20, full), in_turn([GOOD])], [flex, {}]).play()
    assert (played.ended, played.counts[1]) == ("completed", 0)
    played = shop.player([away_for(shop, 500, full), in_turn([GOOD])], [flex, {}]).play()
    assert (played.ended, played.counts[1]) == ("completed", 1)
    assert 20 <= sum(played.delays) <= 40


# --- No credit, no key ----------------------------------------------------------------------------


def test_a_rung_without_credit_is_told_at_once_and_not_asked_again_for_a_while(shop: Shop) -> None:
    player = shop.player([in_turn([BROKE]), in_turn([GOOD])])
    jobs = [player.play() for _ in range(5)]
    assert [job.counts for job in jobs] == [[1, 1], *[[0, 1]] * 4]
    assert [[line["ending"] for line in job.alarms] for job in jobs] == [
        ["out of credit 402"],
        *[[]] * 4,
    ]
    assert (jobs[0].alarms[0]["model"], jobs[0].alarms[0]["rung"]) == ("small", 1)
    shop.clock.advance(PAUSE_SECONDS - 1)
    assert player.play().counts == [0, 1]
    shop.clock.advance(1)
    assert player.play().counts == [1, 1], "perhaps the bill is paid"


def test_a_job_of_many_parts_makes_one_call_to_a_rung_without_credit(shop: Shop) -> None:
    played = shop.player([in_turn([BROKE])]).play()
    assert (played.ended, played.counts, played.delays) == ("model_unavailable", [1], [])


def test_a_new_key_ends_the_pause(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "KEYS_MAX_AGE_SECONDS", 0)
    keys = Several()

    def endpoint(call: Call) -> Reply:
        is_good = call.headers["Authorization"] == "Bearer sk-new"
        return GOOD if is_good else Reply({"error": {"code": "invalid_api_key"}}, 401)

    player = shop.player([endpoint], keys=keys)
    assert player.play().ended == player.play().ended == "model_unavailable"
    keys.entries["default"] = "sk-new"
    assert player.play().ended == "completed"


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_may_be_this_prompts_alone_pauses_no_rung(shop: Shop, status: int) -> None:
    """A refusal in words nobody has seen yet must not take the rung from everybody."""
    player = shop.player([in_turn([Reply({"error": "?"}, status)])])
    assert [player.play().counts for _ in range(2)] == [[1], [1]]


# --- The larger cap -------------------------------------------------------------------------------


def cut_at(limit: int) -> Endpoint:
    """Cuts what it writes, and takes no cap above its own."""

    def endpoint(call: Call) -> Reply:
        if (call.cap or 0) > limit:
            return Reply({"error": {"message": f"at most {limit}", "param": "max_tokens"}}, 400)
        return Reply(completion(finish_reason="length", message={"content": VALID[:200]}))

    return endpoint


def test_a_larger_cap_that_is_refused_ends_the_rung_and_alarms_nobody(shop: Shop) -> None:
    played = shop.player([cut_at(4096), in_turn([GOOD])]).play()
    assert (played.ended, played.counts, played.alarms) == ("completed", [2, 1], [])
    assert played.endings == ["truncated", "cap refused", "stop"]


def test_a_first_cap_that_is_refused_is_the_operators(shop: Shop) -> None:
    played = shop.player([cut_at(2048)]).play()
    assert [line["parameter"] for line in played.alarms] == ["max_tokens"]


@pytest.mark.parametrize(("limit", "caps"), [(5000, [4000, 5000]), (4000, [4000])])
def test_the_larger_cap_respects_the_rungs_own_maximum(
    shop: Shop, limit: int, caps: list[int]
) -> None:
    rung = {"maxOutputTokensLimit": limit}
    played = shop.player([cut_at(limit), in_turn([GOOD])], [rung, {}]).play()
    assert ([call.cap for call in played.calls[0]], played.ended) == (caps, "completed")


@pytest.mark.parametrize(("content", "ending"), [("", "exhausted"), (" \n" * 900, "exhausted")])
def test_a_wasted_cap_is_not_doubled_into_the_same_again(
    shop: Shop, content: str, ending: str
) -> None:
    wasted = Reply(completion(finish_reason="length", message={"content": content}))
    played = shop.player([in_turn([wasted]), in_turn([GOOD])]).play()
    assert (played.counts, played.endings) == ([1, 1], [ending, "stop"])


# --- What nobody counts ---------------------------------------------------------------------------


def test_a_call_that_is_broken_off_is_booked_with_its_answers_likely_share(shop: Shop) -> None:
    slow = Reply({}, delay_seconds=30)
    rung = {"timeoutSeconds": 1}
    played = shop.player([in_turn([slow]), in_turn([GOOD])], [rung, {}]).play()
    timed_out, whole = played.lines
    assert (timed_out["ending"], timed_out["unreported_calls"]) == ("timeout", 1)
    written = OUTPUT_TOKENS_A_SECOND * 10  # microdollars for a second
    assert timed_out["cost_microusd"] > written
    assert whole["unreported_calls"] == 0


def test_an_answer_without_usage_is_estimated_and_marked(shop: Shop) -> None:
    silent = Reply(completion(message={"content": VALID}, usage=None))
    [line] = shop.player([in_turn([silent])]).play().lines
    assert (line["calls"], line["unreported_calls"]) == (1, 1)
    assert line["cost_microusd"] > len(VALID.encode()) // 4 * 10


# --- Side by side ---------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_to_a_rung_than_it_takes() -> None:
    most = under_way = 0
    least = 0  # nobody is answered before so many are under way

    async def answer(request: Any) -> Any:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await until(lambda: most >= least)
        await asyncio.sleep(0.05)
        under_way -= 1
        return await says(completion())(request)

    async def ask_all(server: Crude, **rung: Any) -> list[Answer]:
        text = json.dumps([{"model": "m", "baseUrl": f"{server.url}/v1", **rung}])
        [asked] = Ladder.parse(text)
        provider = Provider("keys", Keys())
        messages: list[Any] = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
        calls = [
            provider.ask(asked, messages, None, max_output_tokens=100, timeout_seconds=60)
            for _ in range(8)
        ]
        return await asyncio.gather(*calls)

    async def compare(server: Crude) -> None:
        nonlocal least
        assert len(await ask_all(server, maxConcurrency=2)) == 8
        assert most == 2
        least = 8
        await ask_all(server)
        assert most == 8

    with Crude() as server:
        server.answer = answer
        asyncio.run(compare(server))


def test_a_call_that_finds_no_place_has_no_room() -> None:
    async def second(server: Crude) -> None:
        text = json.dumps([{"model": "m", "baseUrl": f"{server.url}/v1", "maxConcurrency": 1}])
        [asked] = Ladder.parse(text)
        provider = Provider("keys", Keys())
        messages: list[Any] = [{"role": "system", "content": "s"}]

        def ask(seconds: float) -> Any:
            return provider.ask(asked, messages, None, max_output_tokens=9, timeout_seconds=seconds)

        first = asyncio.create_task(ask(60))
        await until(lambda: server.bodies)
        with pytest.raises(Throttled, match="no place free"):
            await ask(1)
        assert len(server.bodies) == 1
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.answer = says(completion())
        assert (await ask(30)).text == "hello", "the place is free again"

    async def hang(_: Any) -> Any:
        await asyncio.sleep(60)

    with Crude() as server:
        server.answer = hang
        asyncio.run(second(server))
