"""Holds an answer against openapi.json: nothing missing, and nothing that it does not speak of."""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from openapi import document as openapi

type Json = dict[str, Any]


def closed(node: Any) -> Any:
    """Every object without a further property: the document leaves answers open, for clients."""
    match node:
        case dict():
            shut = {key: closed(child) for key, child in node.items()}
            if isinstance(node.get("properties"), dict) and "type" in node:
                shut.setdefault("additionalProperties", False)
            return shut
        case list():
            return [closed(child) for child in node]
    return node


class Contract:
    """The document in `openapi.json`."""

    def __init__(self) -> None:
        self.document: Json = json.loads(openapi.FILE.read_text("utf-8"))
        self._components = closed(self.document["components"])

    def complaints(self, schema: Json, value: Any) -> list[str]:
        """The flaws of a value; none when it has all fields of the schema and no others."""
        validator = Draft202012Validator(
            {**schema, "components": self._components}, format_checker=FormatChecker()
        )
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def operation(self, operation_id: str) -> Json:
        [found] = [
            operation
            for methods in self.document["paths"].values()
            for operation in methods.values()
            if operation["operationId"] == operation_id
        ]
        return dict(found)

    def check(self, operation_id: str, status: int, headers: Mapping[str, str], body: str) -> Json:
        """Assert that this is an answer the operation is said to give; the body, parsed."""
        responses = self.operation(operation_id)["responses"]
        assert str(status) in responses, f"{operation_id} is not said to answer {status}"
        response = responses[str(status)]
        self._check_headers(response, {name.lower(): text for name, text in headers.items()})
        media_type = {name.lower(): text for name, text in headers.items()}["content-type"]
        content = response["content"]
        assert media_type.partition(";")[0] in content, media_type
        parsed: Json = json.loads(body)
        complaints = self.complaints(content[media_type.partition(";")[0]]["schema"], parsed)
        assert complaints == [], body
        return parsed

    def _check_headers(self, response: Json, given: Mapping[str, str]) -> None:
        known = {
            name.lower(): self.document["components"]["headers"][ref["$ref"].rpartition("/")[2]]
            for name, ref in response.get("headers", {}).items()
        }
        for name, header in known.items():
            if name in given:
                is_number = header["schema"]["type"] == "integer"
                value = int(given[name]) if is_number else given[name]
                assert self.complaints(header["schema"], value) == [], name
            else:
                assert not header.get("required"), f"{name} is missing"
        ours = {"location", "retry-after", "cache-control", "allow", "www-authenticate"}
        assert set(given) & ours <= set(known), "a header that openapi.json does not know"
