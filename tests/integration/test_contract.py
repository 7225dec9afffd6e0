"""Through the gateway, the deployed API answers as openapi.json says."""

from typing import Any

import httpx2

from tests.contract.contract import Contract
from tests.integration.api import Api

CONTRACT = Contract()


def check(operation_id: str, answer: httpx2.Response) -> dict[str, Any]:
    return CONTRACT.check(operation_id, answer.status_code, answer.headers, answer.text)


def test_a_job_from_its_submit_to_its_result_and_the_same_request_again(alice: Api) -> None:
    accepted = check("submitRecipe", alice.submit("an egg by contract"))
    first = check("getRecipeStatus", alice.status(accepted["jobId"]))
    alice.wait(accepted["jobId"])

    last = check("getRecipeStatus", alice.status(accepted["jobId"]))
    again = check("submitRecipe", alice.submit("an egg by contract"))

    assert first["jobId"] == last["jobId"] == again["jobId"]
    assert again["result"] == last["result"]


def test_a_cancelled_job(alice: Api) -> None:
    accepted = check("submitRecipe", alice.submit("an egg nobody wants"))

    cancelled = alice.request("POST", f"/recipe/cancel/{accepted['jobId']}")

    assert check("cancelRecipe", cancelled)["status"] in ("cancelled", "completed")


def test_what_the_gateway_says_to_nobody(nobody: Api) -> None:
    assert nobody.submit("egg").status_code == 401
    check("submitRecipe", nobody.submit("egg"))
    check("getRecipeStatus", nobody.status("0" * 32))
    check("cancelRecipe", nobody.request("POST", f"/recipe/cancel/{'0' * 32}"))


def test_problems_through_the_gateway(alice: Api) -> None:
    check("submitRecipe", alice.submit())
    check("getRecipeStatus", alice.status("0" * 32))
