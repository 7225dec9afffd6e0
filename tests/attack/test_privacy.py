"""No log has a word of the user's, a token or a key, whatever goes wrong."""

import re
import uuid
from pathlib import Path

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api

# How an answer may go wrong, by the stand-in's own words for it.
ENDINGS = ("ok", "prose", "truncated", "refusal", "500", "429", "drop", "unfit")


def test_no_log_holds_what_users_said_or_what_opens_doors(
    emulator: Emulator, deployment: Deployment, model: StandIn, alice: Api
) -> None:
    secrets = {deployment.token("alice"), "stand-in-key"}
    marks = []
    for ending in ENDINGS:
        mark = f"mark{uuid.uuid4().hex}"
        marks.append(mark)
        model.script(*[ending] * 4, match=mark)
        answer = alice.submit(mark, headers={"idempotency-key": f"key-{mark}"})
        assert answer.status_code == 202, answer.text
        secrets |= {answer.json()["push"]["token"], f"key-{mark}"}
        alice.wait(answer.json()["jobId"])
        alice.submit(mark, colour=mark)  # 422 with the mark in it
        alice.request("POST", "/recipe/generate", content=f'{{"{mark}')  # no JSON
        alice.request("GET", f"/recipe/status/{mark}")
    model.reset()

    told = _read(emulator.functions_log)
    assert told.count('"jobId"') > len(ENDINGS), "nothing was logged, so nothing was searched"
    for mark in marks:
        assert mark not in told
    for secret in secrets:
        assert secret not in told
    assert not re.search(r"\beyJ[\w-]{20,}\.", told), "a token"


def _read(log: Path) -> str:
    return log.read_text(errors="replace")
