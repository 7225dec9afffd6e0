"""A real generation counts as good by these rules. The generations themselves are not run here."""

import json

from bench.small_model import end_objections

REQUEST = {"ingredients": ["tofu"], "servings": 2, "count": 1, "locale": "en"}
RECIPE = {
    "name": "Tofu",
    "ingredients": ["tofu"],
    "instructions": "Eat it.",
    "cookingTime": 1,
    "difficulty": "easy",
    "servings": 2,
}


def objections(body: str) -> list[str]:
    return end_objections(REQUEST, json.loads(body), body)


def test_a_valid_result_and_a_failure_with_a_name_are_good_ends() -> None:
    result = json.dumps({"recipes": [RECIPE]})

    assert objections(f'{{"status":"completed","result":{result}}}') == []
    assert objections('{"status":"failed","errorCode":"invalid_output"}') == []


def test_an_invalid_result_and_a_failure_without_a_name_are_not() -> None:
    twice = json.dumps({"recipes": [RECIPE]}).replace('"servings"', '"servings": 2, "servings"')
    foreign = json.dumps({"recipes": [{**RECIPE, "ingredients": ["unicorn"]}]})

    assert objections(f'{{"status":"completed","result":{twice}}}')
    assert objections(f'{{"status":"completed","result":{foreign}}}')
    assert objections('{"status":"failed","errorCode":"oops"}')
    assert objections('{"status":"processing"}')
