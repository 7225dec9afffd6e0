"""OpenAPI Generator makes clients of openapi.json, and docs/mobile.md speaks of what they have.

It is a Java program. Without Java these tests are skipped, but not where `TEST_EVERYTHING` is set.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from local.toolchain import REPOSITORY, run_tool
from openapi.document import FILE
from tests.tools import environment_of

PAGE = (REPOSITORY / "docs" / "mobile.md").read_text("utf-8")
CLIENTS = {"dart": "dart", "kotlin": "kt", "swift6": "swift"}

# What the generator says of every document like ours.
NOISE = ("OpenAPI 3.1 support is still in beta", "Failed to get the schema name: null")


@pytest.fixture(scope="session")
def generator() -> Path:
    if not shutil.which("java"):
        if os.environ.get("TEST_EVERYTHING"):
            pytest.fail("there is no Java here, and TEST_EVERYTHING is set")
        pytest.skip("there is no Java here: no clients are generated")
    venv = environment_of("generators")
    [jar] = venv.glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar")
    return jar


@pytest.fixture(scope="session")
def clients(generator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every line of each client's sources, after what the generator has said; by language."""
    made = {}
    for language, suffix in CLIENTS.items():
        folder = tmp_path_factory.mktemp(language)
        said = run_tool(
            *("java", "-jar", generator, "generate", "-i", FILE, "-g", language, "-o", folder),
            "--additional-properties=enumUnknownDefaultCase=true",
        )
        (folder / "said.log").write_text(said)
        sources = [path for path in folder.rglob(f"*.{suffix}") if "test" not in path.parts]
        made[language] = "\n".join([said, *(path.read_text("utf-8") for path in sources)])
    return made


@pytest.mark.parametrize("language", CLIENTS)
def test_client_is_generated_without_a_warning(clients: dict[str, str], language: str) -> None:
    said = re.findall(r"(?m)^\[\w+\] (?:WARN|ERROR) .*$", clients[language])

    assert [line for line in said if not any(noise in line for noise in NOISE)] == []


@pytest.mark.parametrize("language", CLIENTS)
def test_no_type_has_a_name_that_only_a_machine_would_give(
    clients: dict[str, str], language: str
) -> None:
    """`SubmitRecipe202Response`, `RecipeRequestDifficultyEnum`, `ModelLocale`, `AnyOf…`."""
    declared = re.findall(r"\b(?:class|enum|struct) (?!class)(\w+)", clients[language])

    assert {"RecipeRequest", "RecipeSubmission", "RecipeJob", "JobStatus"} <= set(declared)
    ugly = re.compile(
        r"\d{3}Response|AnyOf|OneOf|AllOf|Inner$|^Model[A-Z]|Recipe\w*Enum$|^InlineObject"
    )
    assert [name for name in declared if ugly.search(name)] == []


@pytest.mark.parametrize("language", CLIENTS)
def test_both_answers_of_a_submit_are_one_type(clients: dict[str, str], language: str) -> None:
    returned = {
        "dart": r"Future<(\w+)\?> submitRecipe\(",
        "kotlin": r"fun submitRecipe\(.*\) : (\w+) \{",
        "swift6": r"func submitRecipe\(.*-> (\w+) \{",
    }[language]

    assert re.findall(returned, clients[language]) == ["RecipeSubmission"]


# ── The page ──────────────────────────────────────────────────────────────────────────────────────

# Names in the page's code that are the platform's, or the page's own.
OTHERS = {
    "dart": """
        add close connect contains containsKey delayed difference elapsed periodic cancel
        removeWhere start startsWith timeout token Duration Error Exception FormatException Function
        Future Map Object Stopwatch String Timer TimeoutException WebSocket SimmerClient
        RecipeFailed job example com
    """,
    "kotlin": "token List String Unit example com",
    "swift6": """
        contains first milliseconds now seconds sleep timeIntervalSince token ContinuousClock
        Duration Error String Task UInt8 Void Authorization Bearer RecipeError ended noNetwork
        example com
    """,
}

LOOP = {"submitRecipe", "getRecipeStatus", "RecipeJob", "result", "pollAfterMs"}
# In blocks that show a client of our own, or a phone's notifications.
_NOTIFICATIONS = ("FirebaseMessaging", "UNUserNotificationCenter", "didReceiveRemoteNotification")
NOT_GENERATED = {
    "dart": (".follow(", *_NOTIFICATIONS),
    "kotlin": _NOTIFICATIONS,
    "swift6": (".follow ", *_NOTIFICATIONS),
}

NAMED = {
    "dart": LOOP,
    "kotlin": {"SimmerClient", "job", "await", "Update", "Json", "write", "result"},
    "swift6": LOOP,
}
KOTLIN = "\n".join(
    path.read_text("utf-8")
    for path in (REPOSITORY / "clients" / "kotlin" / "src" / "main").rglob("*.kt")
)


@pytest.mark.parametrize("language", CLIENTS)
def test_every_name_in_the_page_is_one_that_the_generator_made(
    clients: dict[str, str], language: str
) -> None:
    blocks = [
        block
        for block in re.findall(rf"(?ms)^```{language.rstrip('6')}\n(.*?)^```", PAGE)
        if not any(name in block for name in NOT_GENERATED[language])
    ]
    code = re.sub(r"(?m)\s*///?.*$|^import .*$", "", "\n".join(blocks).replace("https://", ""))
    # What follows a dot, is capitalised, is a named argument, is set to a block.
    used = {
        *re.findall(r"\.(\w+)", code),
        *re.findall(r"(?<![\w'.])([A-Z]\w+)", code),
        *re.findall(r"\b(\w+): (?=request|submitted|'https)", code),
        *re.findall(r"\b(\w+) = \{", code),
    }
    # In Kotlin the page shows the client of clients/kotlin, which needs no generated one.
    source = KOTLIN if language == "kotlin" else clients[language]
    generated = set(re.findall(r"\w+", source))

    assert len(blocks) >= 1
    assert used >= NAMED[language]
    assert used - generated <= set(OTHERS[language].split())


@pytest.mark.parametrize("language", CLIENTS)
def test_cancel_is_called_in_every_language_what_the_page_calls_it(
    clients: dict[str, str], language: str
) -> None:
    assert "`cancelRecipe`" in PAGE
    assert re.search(r"\bcancelRecipe\(", clients[language])


def test_dart_still_writes_null_for_what_is_absent(clients: dict[str, str]) -> None:
    """Once it does not, the page can do without `SimmerClient`."""
    assert "json[r'maxCookingTime'] = null;" in clients["dart"]
