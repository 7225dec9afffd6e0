"""Who may open a connection: whoever comes by the address of a 202, which has a ticket."""

import io
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from simmer.web.push_tokens import GRACE_MS, TICKET
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.push.conftest import PUSH_URL, Push


@pytest.fixture
def address(accepted: dict[str, Any]) -> str:
    return str(accepted["push"]["url"])


def test_address_of_a_202_opens_a_connection_as_it_stands(push: Push, address: str) -> None:
    assert push.connect(address) == 200


def test_address_is_good_for_as_long_as_the_job_may_run(
    push: Push, address: str, clock: Clock
) -> None:
    clock.advance(DEADLINE_SECONDS + GRACE_MS / 1000 - 1)
    assert push.connect(address) == 200
    clock.advance(1)
    assert push.connect(address) == 401


@pytest.mark.parametrize(
    "query", ["", "?", f"?{TICKET}=", f"?{TICKET}=x", "?other=1", f"?{TICKET}=.e30.x"]
)
def test_nobody_else_is_let_in(push: Push, query: str, cloud: Cloud) -> None:
    assert push.connect(PUSH_URL + query) == 401
    assert cloud.jobs() == []  # nothing was asked for him


def test_every_letter_of_the_ticket_counts(push: Push, address: str) -> None:
    ticket = dict(parse_qsl(urlsplit(address).query))[TICKET]
    for place in range(len(ticket) - 1):  # the last letter has bits that nobody reads
        letter = "A" if ticket[place] != "A" else "B"
        wrong = ticket[:place] + letter + ticket[place + 1 :]
        assert push.connect(f"{PUSH_URL}?{TICKET}={wrong}") == 401


def test_token_is_no_ticket_and_a_ticket_no_token(
    push: Push, address: str, job_id: str, token: str
) -> None:
    ticket = dict(parse_qsl(urlsplit(address).query))[TICKET]

    assert push.connect(f"{PUSH_URL}?{TICKET}={token}") == 401
    assert json.loads(push.subscribe(job_id, ticket))["code"] == "invalid_push_token"


def test_ticket_names_neither_the_job_nor_who_asks(address: str, job_id: str) -> None:
    assert job_id not in address
    assert "alice" not in address


def test_without_the_key_nobody_is_let_in_and_the_log_says_why(
    push: Push, cloud: Cloud, log: io.StringIO
) -> None:
    cloud.secrets.fail("get_secret_value", refused("AccessDeniedException"))

    assert push.connect(f"{PUSH_URL}?{TICKET}=x") == 503
    assert '"code":"dependency_unavailable"' in log.getvalue()


def test_connecting_is_one_line_of_the_log_without_the_ticket(
    push: Push, address: str, log: io.StringIO
) -> None:
    log.truncate(0)
    push.connect(address)
    [line] = [json.loads(line) for line in log.getvalue().strip("\0").splitlines()]

    assert (line["message"], line["route"], line["status"]) == ("message", "$connect", 200)
    assert dict(parse_qsl(urlsplit(address).query))[TICKET] not in json.dumps(line)
