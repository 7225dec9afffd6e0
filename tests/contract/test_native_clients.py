"""clients/dart and clients/swift, which no compiler reads here: grammars do.

A grammar finds what is no Dart or no Swift. Names that the clients share with the API are
held against openapi.json, and what the vectors speak of against the programs that run them.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_dart
import tree_sitter_swift
from tree_sitter import Language, Node, Parser, Tree

from local.toolchain import REPOSITORY
from openapi.document import FILE

CLIENTS = REPOSITORY / "clients"
GRAMMARS = {
    ".dart": Language(tree_sitter_dart.language()),
    ".swift": Language(tree_sitter_swift.language()),
}
LIBRARIES = {"dart": CLIENTS / "dart" / "simmer.dart", "swift": CLIENTS / "swift" / "Simmer.swift"}
RUNNERS = {
    "dart": CLIENTS / "dart" / "test" / "vectors_test.dart",
    "swift": CLIENTS / "swift" / "Tests" / "Vectors.swift",
}
FILES = sorted(
    path for language in LIBRARIES for path in (CLIENTS / language).rglob(f"*.{language}")
)

SCHEMAS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))["components"]["schemas"]
# What a client reads, of each kind of document.
READ = ("RecipeJob", "RecipeSubmission", "Push", "Problem", "FieldError", "GatewayError")
# An answer in parts; each entry of its outline has a title and a state.
OF_PARTS = {"outline", "partialResult", "title", "state", "waiting", "ready"}
# A frame says when to ask again, and how the bar goes on until then; no status document does.
OF_FRAMES = {"askAfterMs", "ahead", "afterMs"}
UNREAD = {
    "statusUrl": "the path is known from the task and the id",
    "completedAt": "a time of day, of no use to a wait",
    "type": "always the same",
    "cached": "a submit that is answered by 200 was answered before",
}
SENT = {"action", "subscribe", "jobId", "token"}  # over a socket
GATEWAYS = {"unauthorized", "forbidden", "not_found", "too_many_requests"}
CLIENTS_OWN = {"cancelled", "malformed_answer", "unreachable", "client_deadline"}


def parsed(source: bytes, suffix: str) -> Tree:
    return Parser(GRAMMARS[suffix]).parse(source)


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def code(node: Node) -> Iterator[Node]:
    """Without what stands in texts."""
    yield node
    for child in node.children:
        if not child.type.endswith("string_literal"):
            yield from code(child)


def mistakes(source: bytes, suffix: str) -> list[str]:
    """Where it is no source of that language."""
    return [
        f"line {node.start_point.row + 1}: {node.text.decode()[:80] if node.text else 'missing'}"
        for node in nodes(parsed(source, suffix).root_node)
        if node.is_error or node.is_missing
    ]


@cache
def texts(path: Path) -> frozenset[str]:
    """The literal texts of a file, without those that are put together."""
    kinds = {".dart": "string_literal", ".swift": "line_string_literal"}
    return frozenset(
        node.text.decode()[1:-1]
        for node in nodes(parsed(path.read_bytes(), path.suffix).root_node)
        if node.type == kinds[path.suffix] and node.text
    )


@cache
def fields(path: Path) -> frozenset[str]:
    """What a library asks documents for: `fields['…']`, `each["…"]`."""
    subscripts = re.findall(
        r"""\b(?:fields|push|each|error)\??\[\s*['"](\w+)['"]\s*\]""", path.read_text("utf-8")
    )
    return frozenset(subscripts)


def properties(name: str) -> set[str]:
    return set(SCHEMAS[name]["properties"])


def camel(code: str) -> str:
    first, *rest = code.split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_source_of_its_language(path: Path) -> None:
    assert mistakes(path.read_bytes(), path.suffix) == []


@pytest.mark.parametrize("language", LIBRARIES)
def test_the_page_shows_source_of_that_language(language: str) -> None:
    page = (REPOSITORY / "docs" / "mobile.md").read_text("utf-8")
    blocks = re.findall(rf"(?ms)^```{language}\n(.*?)^```", page)

    assert len(blocks) > 2
    for block in blocks:
        assert mistakes(block.encode(), f".{language}") == []
        assert mistakes(block.replace("}", "", 1).encode(), f".{language}") or "{" not in block


# What the grammars take for a name where one is declared, and a compiler does not.
RESERVED = {
    ".swift": """associatedtype class deinit enum extension fileprivate func import init inout
        internal let operator private protocol public rethrows static struct subscript typealias
        var break case continue default do else for guard if in repeat return switch where while""",
    ".dart": """assert break case catch class const continue default do else enum extends final
        finally for if in is new rethrow return switch throw try var while with""",
}
USES = ("value_argument_label", "navigation_suffix", "call_expression")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_name_that_is_declared_is_a_reserved_word(path: Path) -> None:
    names = {
        node.text.decode()
        for node in nodes(parsed(path.read_bytes(), path.suffix).root_node)
        if node.type in ("identifier", "simple_identifier") and node.text
        if node.parent and node.parent.type not in USES
    }

    assert len(names) > 100
    assert names & set(RESERVED[path.suffix].split()) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_slip_is_seen(path: Path) -> None:
    """Without one of fifty brackets that are spread over the file (the Swift grammar is lenient
    within texts)."""
    source = path.read_bytes()
    brackets = [
        node.start_byte
        for node in code(parsed(source, path.suffix).root_node)
        if node.type in ("{", "}", "(", ")")
    ]

    assert len(brackets) > 200
    for at in brackets[:: len(brackets) // 50]:
        assert mistakes(source[:at] + source[at + 1 :], path.suffix), source[at - 60 : at + 60]


@pytest.mark.parametrize("path", LIBRARIES.values(), ids=LIBRARIES)
def test_every_field_that_is_read_is_one_of_the_api(path: Path) -> None:
    known = set[str]().union(*map(properties, READ)) | OF_PARTS | OF_FRAMES

    assert fields(path) - known == set()
    assert OF_FRAMES - fields(path) == set()


@pytest.mark.parametrize("path", LIBRARIES.values(), ids=LIBRARIES)
def test_every_field_of_the_api_is_read(path: Path) -> None:
    known = set[str]().union(*map(properties, READ))

    assert (known | {"outline", "partialResult"}) - set(UNREAD) - texts(path) == set()
    assert set(UNREAD) & fields(path) == set()


@pytest.mark.parametrize("path", LIBRARIES.values(), ids=LIBRARIES)
def test_every_word_of_a_status_is_known(path: Path) -> None:
    [table] = re.findall(
        r"(?ms)^(?:const _|private let )states\b.*?[{\[]\n(.*?)^[}\]]", path.read_text("utf-8")
    )

    assert set(re.findall(r"""['"](\w+)['"]:""", table)) == set(SCHEMAS["JobStatus"]["enum"])
    assert set(SCHEMAS["SubmissionStatus"]["enum"]) - texts(path) == set()
    assert SENT - texts(path) == set()
    stages = set(re.findall(r"`(\w+)`", documentation(path, "stage")))
    assert stages == set(SCHEMAS["Stage"]["enum"])


def documentation(path: Path, name: str) -> str:
    """The comment above the declaration of a field."""
    found = re.search(
        rf"((?:^ *///.*\n)+) *(?:final String|var) {name}\b", path.read_text("utf-8"), re.MULTILINE
    )
    assert found
    return found[1]


@pytest.mark.parametrize("path", LIBRARIES.values(), ids=LIBRARIES)
def test_every_code_of_the_api_has_a_name(path: Path) -> None:
    """`invalid_output` is `SimmerCode.invalidOutput`."""
    codes = {*SCHEMAS["ErrorCode"]["enum"], *SCHEMAS["ProblemCode"]["enum"]}
    [body] = re.findall(r"(?ms)^enum SimmerCode.*?^}", path.read_text("utf-8"))
    pattern = (
        r"(?m)^  (\w+)\('(\w+)'\)" if path.suffix == ".dart" else r"case `?(\w+)`?(?: = \"(\w+)\")?"
    )
    declared = {word or name: name for name, word in re.findall(pattern, body)}

    assert declared == {code: camel(code) for code in codes | GATEWAYS | CLIENTS_OWN}


def vectors() -> list[dict[str, Any]]:
    return [
        vector
        for file in sorted((CLIENTS / "vectors").glob("*.json"))
        for vector in json.loads(file.read_text("utf-8"))["vectors"]
    ]


def words_of(vector: dict[str, Any]) -> Iterator[str]:
    """What a vector says in the vectors' own language (not in HTTP's or in the API's)."""
    yield from ("answers", "expect")
    yield from vector["expect"]
    yield from vector["expect"]["end"]
    yield from vector["do"]
    if "submit" in vector["do"]:
        yield from vector["do"]["submit"]
    yield from vector.get("client", {})
    yield vector.get("client", {}).get("token", "fixed")
    for answer in vector["answers"]:
        yield from answer
    if socket := vector.get("socket"):
        yield from socket
        yield socket.get("connect", "opens")
        for subscription in socket.get("subscriptions", []):
            for frame in subscription:
                yield from frame


# A phone's time of day: these clients read none, so nothing can be set.
NOT_SET = {"phone", "phoneClockJumpsSeconds", "fails"}


@pytest.mark.parametrize("path", RUNNERS.values(), ids=RUNNERS)
def test_the_vectors_runner_knows_all_that_vectors_say(path: Path) -> None:
    said = {word for vector in vectors() for word in words_of(vector)}

    assert said - NOT_SET - texts(path) == set()


def test_neither_client_reads_the_phones_time_of_day() -> None:
    """For the vectors that set it."""
    clocks = re.compile(
        r"DateTime\.(now|timestamp)|\bDate\(\)|Date\.now|CFAbsoluteTime|gettimeofday"
    )

    assert {
        language: clocks.findall(path.read_text("utf-8")) for language, path in LIBRARIES.items()
    } == {
        "dart": [],
        "swift": [],
    }


@pytest.mark.parametrize("language", RUNNERS)
def test_rules_without_vectors_have_a_check_of_the_clients_own(language: str) -> None:
    rules = (REPOSITORY / "docs" / "client-rules.md").read_text("utf-8")
    own = re.findall(r"(?m)^\| `([\w-]+)` .*\| tests of each client \|$", rules)

    assert own
    assert set(own) - texts(RUNNERS[language]) == set()


NOT_DONE = {
    "dart": "No compiler has seen this file here",
    "swift": "The tests here do not compile this file",
}


@pytest.mark.parametrize("language", LIBRARIES)
def test_the_readme_says_what_has_not_been_done(language: str) -> None:
    readme = (CLIENTS / language / "README.md").read_text("utf-8")

    assert NOT_DONE[language] in readme
    command = re.search(r"```sh\n(.*vectors.*)\n```", readme)
    assert command
    for path in re.findall(r"[\w./]+\.(?:dart|swift)\b", command[1]):
        assert (CLIENTS / language / path).is_file(), path
