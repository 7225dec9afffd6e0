"""openapi.json is valid, is what the code says, and leaves nothing out."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from openapi import document as openapi
from openapi.problems import CANCEL, PUSH, STATUS, SUBMIT, all_errors, errors_at
from openapi.schemas import COMMON_SCHEMAS, hoist_enums, task_schemas
from openapi.words import pascal
from simmer.jobs.job import ErrorCode, JobStatus
from simmer.task import AnyTask, Task, TaskRequest, TaskResult, find_task
from simmer.tasks import task_names
from subscription import Subscription
from tests.contract.contract import Contract
from tests.lint_template import TEMPLATE, translated


def test_file_is_what_the_code_says() -> None:
    assert openapi.FILE.read_text("utf-8") == openapi.text(), "write it again: make openapi"


def test_document_is_valid_openapi(contract: Contract) -> None:
    problems = OpenAPIV31SpecValidator(contract.document).iter_errors()

    assert [error.message for error in problems] == []


def test_paths_are_the_templates_routes_for_every_task(contract: Contract) -> None:
    resources = translated(TEMPLATE.read_text())["Resources"]
    [body] = [
        resource["Properties"]["Body"]
        for resource in resources.values()
        if "Body" in resource.get("Properties", {})
    ]
    routes = {
        (path.replace("{task}", task), method)
        for path, methods in body["paths"].items()
        for method in methods
        for task in task_names()
    }

    assert routes == {
        (path, method) for path, methods in contract.document["paths"].items() for method in methods
    }


# ── Examples ──────────────────────────────────────────────────────────────────────────────────────


def _answers(contract: Contract) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """(where, schema, example) of every answer."""
    for methods in contract.document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                for content in response["content"].values():
                    where = f"{operation['operationId']} {status}"
                    examples = content.get("examples", {"": {"value": content.get("example")}})
                    for name, example in examples.items():
                        if example["value"] is not None:
                            yield f"{where} {name}", content["schema"], example["value"]


def test_every_example_is_an_answer_the_document_allows(contract: Contract) -> None:
    examples = list(_answers(contract))

    assert len(examples) >= 30
    wrong = {
        where: complaints
        for where, schema, example in examples
        if (complaints := contract.complaints(schema, example))
    }
    assert wrong == {}


NOUNS = sorted(pascal(name) for name in task_names())
OF_TASKS = [f"{noun}{kind}" for noun in NOUNS for kind in ("Job", "Submission")]


@pytest.mark.parametrize("name", [*OF_TASKS, "Push", "Problem", "FieldError"])
def test_every_documented_field_is_in_some_example(contract: Contract, name: str) -> None:
    """The examples come from the views: a field that none of them has is none."""

    def keys(schema: dict[str, Any], value: Any) -> Iterator[str]:
        if ref := schema.get("$ref"):
            target = contract.document["components"]["schemas"][ref.rpartition("/")[2]]
            if ref.endswith(f"/{name}"):
                yield from value
            yield from keys(target, value)
        for field, child in schema.get("properties", {}).items():
            if field in value:
                yield from keys(child, value[field])
        if "items" in schema:
            for each in value:
                yield from keys(schema["items"], each)

    seen = {key for _, schema, example in _answers(contract) for key in keys(schema, example)}

    assert seen == set(contract.document["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("name", sorted(task_names()))
def test_example_request_is_one_the_task_takes_and_its_result_fits(
    contract: Contract, name: str
) -> None:
    task = find_task(name)
    submit = contract.operation(f"submit{pascal(name)}")
    content = submit["requestBody"]["content"]["application/json"]
    cached = submit["responses"]["200"]["content"]["application/json"]["examples"]["cached"]

    request = task.wire_model.model_validate_json(json.dumps(content["example"]))
    result = task.result_model.model_validate_json(json.dumps(cached["value"]["result"]))

    assert contract.complaints(content["schema"], content["example"]) == []
    assert task.check(request, result) == []


class Item(TaskResult):
    """What is in both."""

    name: str


class Wanted(TaskRequest):
    """A request with a model that its result has, too."""

    items: list[Item]


class Given(TaskResult):
    """A result."""

    items: list[Item]


def test_models_of_one_name_keep_apart() -> None:
    """Of a request and its result, and of two tasks."""
    task: AnyTask = Task(
        name="list",
        version=1,
        request_model=Wanted,
        result_model=Given,
        instructions="List.",
        example={"items": [{"name": "a"}]},
        answer={"items": [{"name": "a"}]},
        languages=("de", "fr"),
    )
    names, schemas = task_schemas(task, {"Given": {"type": "object"}})

    assert (names.request, names.result) == ("Wanted", "ListGiven")
    assert schemas["Wanted"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/ListRequestItem"
    }
    assert schemas["ListGiven"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/Item"
    }
    assert "additionalProperties" in schemas["ListRequestItem"]
    assert "additionalProperties" not in schemas["Item"]
    assert schemas["ListLocale"]["enum"] == ["de", "fr"]
    assert schemas["ListJob"]["properties"]["result"] == {"$ref": "#/components/schemas/ListGiven"}


class Stage(TaskResult):
    """Of a play: the API has a schema of that name."""

    lights: int


class Play(TaskResult):
    """A result."""

    stage: Stage


def test_a_model_takes_no_name_of_the_apis_own_and_none_that_another_had_before() -> None:
    task: AnyTask = Task(
        name="play",
        version=1,
        request_model=Wanted,
        result_model=Play,
        instructions="Play.",
        example={"items": []},
        answer={"stage": {"lights": 1}},
    )
    _, schemas = task_schemas(task, COMMON_SCHEMAS, before={"PlayRequestItem"})

    assert "Stage" not in schemas
    assert schemas["PlayStage"]["properties"] == {"lights": {"type": "integer"}}
    assert "PlayRequestItem" in schemas


def _with_enums(**models: dict[str, list[Any]]) -> dict[str, Any]:
    schemas: dict[str, Any] = {"Stage": {"type": "string", "enum": ["queued", "done"]}}
    for owner, fields in models.items():
        properties = {name: {"enum": values} for name, values in fields.items()}
        schemas[owner] = {"type": "object", "properties": properties}
    return {"components": {"schemas": schemas}}


def _enums(made: dict[str, Any], owner: str) -> dict[str, Any]:
    """The values of each field, by the name that its enum has."""
    schemas = made["components"]["schemas"]
    names = [each["$ref"].rpartition("/")[2] for each in schemas[owner]["properties"].values()]
    return {name: schemas[name]["enum"] for name in names}


def test_enums_of_one_name_and_other_values_keep_apart() -> None:
    made = _with_enums(
        Actor={"kind": ["a", 2], "stage": ["left"]}, Bird={"kind": ["b"]}, Cat={"kind": ["a", 2]}
    )
    hoist_enums(made, {})

    assert _enums(made, "Actor") == {"Kind": ["a", 2], "ActorStage": ["left"]}
    assert _enums(made, "Bird") == {"BirdKind": ["b"]}
    assert _enums(made, "Cat") == {"Kind": ["a", 2]}
    assert made["components"]["schemas"]["Stage"]["enum"] == ["queued", "done"]


def test_an_enum_keeps_the_name_that_its_clients_have() -> None:
    before = _with_enums(Bird={"kind": ["b"]})
    hoist_enums(before, {})
    names_before = before["components"]["schemas"]
    for _ in range(2):  # the second one begins with what the first one wrote
        made = _with_enums(Actor={"kind": ["a"]}, Bird={"kind": ["b", "c"]})
        hoist_enums(made, names_before)
        names_before = made["components"]["schemas"]

        assert _enums(made, "Bird") == {"Kind": ["b", "c"]}
        assert _enums(made, "Actor") == {"ActorKind": ["a"]}


# ── Nothing left out ──────────────────────────────────────────────────────────────────────────────


def _documented_codes(contract: Contract, operation_id: str) -> list[str]:
    responses = contract.operation(operation_id)["responses"].values()
    return [
        code
        for response in responses
        for code in response["content"].get("application/problem+json", {}).get("examples", {})
    ]


@pytest.mark.parametrize(
    ("operation_id", "place"),
    [
        (operation.format(noun), place)
        for noun in NOUNS
        for operation, place in (
            ("submit{}", SUBMIT),
            ("get{}Status", STATUS),
            ("cancel{}", CANCEL),
        )
    ],
)
def test_every_error_of_the_tree_stands_where_it_can_happen(
    contract: Contract, operation_id: str, place: str
) -> None:
    codes = [error.code for error in errors_at(place)]

    assert sorted(_documented_codes(contract, operation_id)) == sorted(codes)


def test_every_error_of_push_is_named_in_words(contract: Contract) -> None:
    words = contract.document["info"]["description"]

    for error in errors_at(PUSH):
        assert f"`{error.code}`" in words


def test_what_to_subscribe_with_is_said_in_words(contract: Contract) -> None:
    words = contract.document["info"]["description"]
    said = re.search(r"`(\{\"action\".*?\})`", words)

    assert said
    assert Subscription.model_validate_json(said[1]).action == "subscribe"


def test_enums_are_those_of_the_code(contract: Contract) -> None:
    schemas = contract.document["components"]["schemas"]

    assert schemas["JobStatus"]["enum"] == list(JobStatus)
    assert schemas["ErrorCode"]["enum"] == list(ErrorCode)
    assert schemas["ProblemCode"]["enum"] == [error.code for error in all_errors()]


def test_every_object_and_enum_has_a_name_so_that_clients_need_invent_none(
    contract: Contract,
) -> None:
    nameless = [
        (name, field)
        for name, schema in contract.document["components"]["schemas"].items()
        for field, child in schema.get("properties", {}).items()
        if "enum" in child or "properties" in child or "properties" in child.get("items", {})
    ]

    assert nameless == []


def test_every_operation_asks_for_a_token_and_says_what_the_gateway_answers_without(
    contract: Contract,
) -> None:
    assert contract.document["security"] == [{"jwt": []}]
    for methods in contract.document["paths"].values():
        for operation in methods.values():
            assert "security" not in operation
            assert "401" in operation["responses"]
