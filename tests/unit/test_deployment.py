"""template.yaml under a new version of itself: what changes as one, what comes back, what stays."""

import json
import re
from functools import cache
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from intake import RECEIVES_FOR_SECONDS
from simmer.jobs.job import JobStatus
from tests import lint_template
from tests.lint_template import MONITORING, PARAMETER_SETS, TEMPLATE, translated

TEXT = TEMPLATE.read_text()
FUNCTIONS = [
    *("SubmitFunction", "StatusFunction", "CancelFunction", "PushFunction", "WorkerFunction"),
    *("EventsFunction", "WebhookFunction"),
]
FOR_CLIENTS = ["SubmitFunction", "StatusFunction", "CancelFunction"]


@cache
def _resources(text: str = TEXT, parameters: str = "own pool") -> dict[str, Any]:
    found: dict[str, Any] = translated(text, PARAMETER_SETS[parameters])["Resources"]
    return found


def _version(function: str, text: str = TEXT) -> str:
    """The logical id of what is published: another one is another version."""
    [name] = [
        name
        for name, resource in _resources(text).items()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"] == {"Ref": function}
    ]
    return name


# ── What changes as one ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("function", FUNCTIONS)
def test_alias_is_of_the_version_that_is_published(function: str) -> None:
    alias = _resources()[f"{function}Aliaslive"]["Properties"]

    assert alias["FunctionName"] == {"Ref": function}
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [_version(function), "Version"]}


def test_whoever_calls_a_function_calls_its_alias() -> None:
    """What calls the function itself may meet new code on the old layer."""
    callers = str(
        [
            each
            for each in _resources().values()
            if not each["Type"].startswith(
                ("AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::CloudFormation::Stack")
            )
        ]
    )

    for function in FUNCTIONS:
        assert f"'Ref': '{function}Aliaslive'" in callers or f"${{{function}Aliaslive}}" in callers
        assert f"'Ref': '{function}'" not in callers
        assert f"${{{function}.Arn}}" not in callers
        assert f"['{function}', 'Arn']" not in callers


@pytest.mark.parametrize("function", FUNCTIONS)
def test_other_code_and_another_layer_are_another_version(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _version(function)
    monkeypatch.setattr(lint_template, "_UPLOADED", "s3://the-artifacts/of-another-build")
    try:
        _resources.cache_clear()
        assert _version(function) != before
    finally:
        _resources.cache_clear()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_layer_that_alone_is_another_is_another_version_of_every_function(function: str) -> None:
    other = TEXT.replace("CompatibleRuntimes: [python3.13]", "CompatibleRuntimes: [python3.14]")

    assert _version(function, other) != _version(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_parameter_that_a_function_is_told_is_in_what_publishes_its_version(function: str) -> None:
    """SAM does not look at a parameter's value. CloudFormation replaces a version, that is,
    publishes another one, when the version's description is another."""
    told = _parameters_in(_resources()[function]["Properties"])
    described = _parameters_in(_resources()[_version(function)]["Properties"])
    # With another architecture the layer's packages are others, and so is the layer.
    told -= {"Architecture", "LogRetentionDays"}

    if "ModelLadder" in told:  # longer than a description may be: make deploy's id stands for it
        assert "DeployId" in described
        told.remove("ModelLadder")
        network = {"StatusCacheSubnetIds", "StatusCacheSecurityGroupIds"}
        told -= {"StatusCacheUrl", *network} if function == "WorkerFunction" else set()
    assert told - {"DeployId"} == described - {"DeployId"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_another_whenever_its_version_is_to_be_published_again(function: str) -> None:
    """Lambda publishes nothing for a function that has not changed, and the stack would fail."""
    described = _parameters_in(_resources()[_version(function)]["Properties"])

    assert described <= _parameters_in(_resources()[function]["Properties"])


@pytest.mark.parametrize("function", ["StatusFunction", "CancelFunction"])
def test_description_of_a_version_has_room_for_the_longest_cache(function: str) -> None:
    parameters = translated(TEXT)["Parameters"]
    longest = {
        "Metrics": "false",
        "Tracing": "PassThrough",
        "StatusCacheUrl": f"rediss://{'h' * 100}:65535",
        "StatusCacheSubnetIds": ",".join([f"subnet-{'f' * 17}"] * 3),
        "StatusCacheSecurityGroupIds": ",".join([f"sg-{'f' * 17}"] * 2),
    }
    for name in longest.keys() - {"Metrics", "Tracing"}:
        pattern = parameters[name]["AllowedPattern"]
        assert re.fullmatch(pattern, longest[name])
        assert not re.fullmatch(pattern, f"{longest[name]},{longest[name]}")
    text = _resources()[_version(function)]["Properties"]["Description"]["Fn::Sub"]
    assert set(re.findall(r"\w+", text)) == longest.keys()
    assert len(re.sub(r"\$\{(\w+)\}", lambda found: longest[found[1]], text)) <= 256


@pytest.mark.parametrize("function", ["SubmitFunction", "WorkerFunction"])
def test_description_of_a_version_has_room_for_the_longest_values(function: str) -> None:
    parameters = translated(TEXT)["Parameters"]
    text = _resources()[_version(function)]["Properties"]["Description"]["Fn::Sub"]

    def longest(name: str) -> int:
        if values := parameters[name].get("AllowedValues"):
            return max(len(str(value)) for value in values)
        pattern = parameters[name]["AllowedPattern"]
        texts = ("9" * digits + rest for digits in range(65) for rest in ("", ".999999", "3600"))
        return max(len(text) for text in texts if re.fullmatch(pattern, text))

    described = re.sub(r"\$\{(\w+)\}", lambda found: "x" * longest(found[1]), text)
    assert 64 < len(described) <= 256


def test_description_of_the_webhooks_version_has_room_for_the_longest_address() -> None:
    pattern = translated(TEXT)["Parameters"]["WebhookUrl"]["AllowedPattern"]
    longest = f"https://{'h' * 100}/{'p' * 120}"

    assert _resources()[_version("WebhookFunction")]["Properties"]["Description"] == {
        "Fn::Sub": "${WebhookUrl} ${Metrics} ${Tracing}"
    }
    assert re.fullmatch(pattern, longest)
    assert not any(
        re.fullmatch(pattern, more) for more in (longest + "p", f"https://h{longest[8:]}")
    )
    assert len(f"{longest} false PassThrough") <= 256


@pytest.mark.parametrize("function", FUNCTIONS)
def test_longest_values_have_room_in_what_a_function_may_be_told(function: str) -> None:
    """4,096 bytes for names and values together: with more the deployment stops half-way."""
    parameters = translated(TEXT)["Parameters"]
    # With the longest name that a stack may have. What AWS names has a limit of its own.
    stack, account = "s" * 128, "a" * 12
    queue = f"https://sqs.ap-southeast-7.amazonaws.com/{account}/{'q' * 80}"
    arn = f"arn:aws:secretsmanager:ap-southeast-7:{account}:secret:ModelKeysSecret-{'r' * 19}"
    names = {"JobsTable": f"{stack}-JobsTable-1234567890123", "EventBus": stack}
    api = "0123456789.execute-api.ap-southeast-7.amazonaws.com"

    def longest(value: Any) -> str:
        match value:
            case {"Ref": name} if name in parameters:
                about = parameters[name]
                allowed = [str(each) for each in about.get("AllowedValues", [])]
                digits = about.get("MaxLength", 250 if name == "WebhookUrl" else 15)
                return max([*allowed, "" if allowed else "9" * digits], key=len)
            case {"Ref": name}:
                return names.get(name, queue)
            case {"Fn::GetAtt": [_, "Id"]}:
                return arn
            case {"Fn::Sub": text}:
                return str(text).replace("${AWS::StackName}", stack).replace("${PushApi}", api)
        return str(value)

    told = _resources()[function]["Properties"]["Environment"]["Variables"]
    assert sum(len(f"{name}{longest(value)}") for name, value in told.items()) <= 4096


def _parameters_in(value: Any) -> set[str]:
    names = set(translated(TEXT)["Parameters"])
    referred = re.findall(r"'Ref': '(\w+)'", str(value)) + re.findall(r"\$\{(\w+)\}", str(value))
    return names & set(referred)


def test_build_and_functions_are_for_the_architecture_that_is_said() -> None:
    """Else the layer's compiled packages are another machine's, and no function starts."""
    said = {"Ref": "Architecture"}
    layer = yaml_parse(TEXT)["Resources"]["CommonLayer"]

    assert layer["Metadata"]["BuildArchitecture"] == said
    assert layer["Properties"]["CompatibleArchitectures"] == [said]
    for function in FUNCTIONS:
        assert _resources()[function]["Properties"]["Architectures"] == [said]


# ── Who goes first, and what comes back ───────────────────────────────────────────────────────────


def test_nothing_is_made_of_codedeploy_unless_it_is_wanted() -> None:
    kinds = {resource["Type"] for resource in _resources().values()}

    assert not [kind for kind in kinds if kind.startswith("AWS::CodeDeploy::")]
    assert "UpdatePolicy" not in str(_resources())


@pytest.mark.parametrize("function", FOR_CLIENTS)
def test_gradual_shift_is_taken_back_on_an_alarm(function: str) -> None:
    resources = _resources(parameters="a team's")
    group = resources[f"{function}DeploymentGroup"]["Properties"]
    alarms = translated(MONITORING.read_text())["Resources"]
    names = {
        each["Properties"]["AlarmName"]["Fn::Sub"].replace("${StackName}", "${AWS::StackName}")
        for each in alarms.values()
        if "AlarmName" in each["Properties"]
    }

    assert {each["Name"]["Fn::Sub"] for each in group["AlarmConfiguration"]["Alarms"]} == names
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent10Minutes"}
    policy = resources[f"{function}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert policy["DeploymentGroupName"] == {"Ref": f"{function}DeploymentGroup"}


@pytest.mark.parametrize("function", ["PushFunction", "WorkerFunction"])
def test_what_no_client_calls_shifts_at_once(function: str) -> None:
    assert f"{function}DeploymentGroup" not in _resources(parameters="a team's")


def test_every_way_to_shift_is_known_to_codedeploy_and_to_the_mapping() -> None:
    template = translated(TEXT)
    ways = template["Parameters"]["GradualShift"]["AllowedValues"]

    assert set(template["Mappings"]["Shift"]) == set(ways)
    assert {way for way in ways if way != "off"} == {
        way for way, about in template["Mappings"]["Shift"].items() if about["IsGradual"] == "true"
    }


# ── The gateway ───────────────────────────────────────────────────────────────────────────────────


def test_issuer_that_api_gateway_cannot_use_fails_the_deployment() -> None:
    """Else it is a warning, the stack is green, and every route is 404."""
    assert _resources()["Api"]["Properties"]["FailOnWarnings"] is True


def test_requests_are_throttled_and_submits_more_so() -> None:
    stage = _resources()["ApiApiGatewayDefaultStage"]["Properties"]
    template = translated(TEXT)
    limits = {
        name: {f"Throttling{kind}Limit": {"Ref": name} for kind in ("Rate", "Burst")}
        for name in ("ApiRequestsPerSecond", "SubmitsPerSecond")
    }

    assert stage["DefaultRouteSettings"] == limits["ApiRequestsPerSecond"]
    assert stage["RouteSettings"] == {"POST /{task}/generate": limits["SubmitsPerSecond"]}
    defaults = {name: int(template["Parameters"][name]["Default"]) for name in limits}
    assert defaults["SubmitsPerSecond"] < defaults["ApiRequestsPerSecond"]


def test_messages_of_the_socket_are_throttled() -> None:
    stage = _resources()["PushStage"]["Properties"]

    for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
        assert stage["DefaultRouteSettings"][limit] == {"Ref": "PushMessagesPerSecond"}


def test_routes_with_a_throttle_of_their_own_are_there() -> None:
    """API Gateway refuses a stage with settings for a route that it does not have."""
    resources = _resources()
    routes = {
        f"{method.upper()} {path}"
        for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items()
        for method in methods
    }

    assert set(resources["ApiApiGatewayDefaultStage"]["Properties"]["RouteSettings"]) <= routes


def test_push_stage_waits_for_every_route_that_it_deploys() -> None:
    resources = _resources()
    routes = [name for name, each in resources.items() if each["Type"].endswith("V2::Route")]

    assert sorted(resources["PushStage"]["DependsOn"]) == sorted(routes)


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [("ApiApiGatewayDefaultStage", "own pool"), ("PushStage", "a team's")],
)
def test_access_log_is_one_line_of_json_and_says_why_somebody_was_refused(
    stage: str, parameters: str
) -> None:
    settings = _resources(parameters=parameters)[stage]["Properties"]["AccessLogSettings"]
    line = settings.get("Fn::If", [None, settings])[1]["Format"]

    assert "\n" not in line
    # Quoted, each: what API Gateway does not know it writes as a dash.
    assert re.fullmatch(r'\{("\w+":"\$context\.[\w.]+",? ?)+\}', line)
    for name in ("requestId", "error.message", "error.responseType", "authorizer.error"):
        assert f'"$context.{name}"' in line


def test_logs_of_the_websocket_are_off_by_default() -> None:
    """API Gateway refuses them in an account without its role for CloudWatch."""
    assert translated(TEXT)["Parameters"]["PushAccessLogs"]["Default"] == "off"


def test_domain_is_mapped_to_the_api() -> None:
    resources = _resources(parameters="a team's")

    assert resources["ApiMapping"]["Properties"] == {
        "ApiId": {"Ref": "Api"},
        "DomainName": {"Ref": "ApiDomain"},
        "Stage": {"Ref": "ApiApiGatewayDefaultStage"},
    }
    assert {resources[name]["Condition"] for name in ("ApiDomain", "ApiMapping")} == {"HasDomain"}


# ── What stays ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["UserPool", "JobsTable"])
def test_users_and_ledger_outlive_the_stack_but_not_a_deployment_that_failed(name: str) -> None:
    assert _resources()[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert _resources()[name]["UpdateReplacePolicy"] == "Retain"


def test_users_and_ledger_can_be_protected() -> None:
    resources = _resources()
    conditions = translated(TEXT)["Conditions"]

    assert resources["UserPool"]["Properties"]["DeletionProtection"] == {
        "Ref": "DeletionProtection"
    }
    assert resources["JobsTable"]["Properties"]["DeletionProtectionEnabled"] == {
        "Fn::If": ["HasDeletionProtection", True, False]
    }
    assert conditions["HasDeletionProtection"] == {
        "Fn::Equals": [{"Ref": "DeletionProtection"}, "ACTIVE"]
    }


def test_ways_to_sign_in_are_what_they_were_when_the_first_user_came() -> None:
    """None of it can be changed: CloudFormation would make another pool, without the users."""
    pool = _resources()["UserPool"]["Properties"]

    assert pool["AliasAttributes"] == ["email"]
    assert "UsernameAttributes" not in pool
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["AutoVerifiedAttributes"] == ["email"]
    assert "Schema" not in pool


def test_secrets_are_drawn_as_they_always_were() -> None:
    """With any other letter in it CloudFormation draws anew: over the operator's keys, too."""
    drawn = {
        name: each["Properties"]["GenerateSecretString"]
        for name, each in _resources().items()
        if each["Type"] == "AWS::SecretsManager::Secret"
    }

    assert drawn == {
        "PushKeySecret": {"PasswordLength": 64, "ExcludePunctuation": True},
        "WebhookSecret": {"PasswordLength": 44, "ExcludePunctuation": True},
        "ModelKeysSecret": {"SecretStringTemplate": "{}", "GenerateStringKey": "default"},
    }


# ── Whose token, whose call ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("parameters", ["own pool", "given issuer"])
def test_tokens_are_those_of_the_pool_or_of_the_issuer_that_is_given(parameters: str) -> None:
    """The pool's access tokens have no `aud`: API Gateway takes their `client_id` for it."""
    api = _resources(parameters=parameters)["Api"]["Properties"]["Body"]
    authorizer = api["components"]["securitySchemes"]["Jwt"]["x-amazon-apigateway-authorizer"]
    pool = "https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${UserPool}"

    assert authorizer["jwtConfiguration"] == {
        "issuer": {"Fn::If": ["HasOwnUserPool", {"Fn::Sub": pool}, {"Ref": "JwtIssuer"}]},
        "audience": {
            "Fn::If": ["HasOwnUserPool", [{"Ref": "UserPoolClient"}], {"Ref": "JwtAudience"}]
        },
    }
    assert authorizer["identitySource"] == "$request.header.Authorization"


def test_apps_sign_in_without_a_secret_and_stay_signed_in() -> None:
    client = _resources()["UserPoolClient"]["Properties"]

    assert client["GenerateSecret"] is False
    # The second is the smoke test's and `simmer-admin users token`'s.
    assert client["ExplicitAuthFlows"] == [
        *("ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
    ]
    assert client["PreventUserExistenceErrors"] == "ENABLED"  # a wrong name is a wrong password
    assert _resources()["UserPool"]["Properties"]["UserPoolTier"] == "LITE"


def test_nobody_but_the_stacks_own_rules_calls_and_writes() -> None:
    """Without the source any rule of any account that knows the name may."""
    resources = _resources(parameters="a team's")
    rules = {name for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"}
    allowed = {"WebhookQueuePolicy": {"WebhookRule"}, "EventsDeadLetterQueuePolicy": rules}

    assert rules == {"WebhookRule", "NotifyRule"}
    assert resources["NotifyPermission"]["Properties"]["SourceArn"] == {
        "Fn::GetAtt": ["NotifyRule", "Arn"]
    }
    for policy, sources in allowed.items():
        [statement] = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        said = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        found = re.findall(r"'Fn::GetAtt': \['(\w+)', 'Arn'\]", str(said))
        assert (set(found), "*" in str(said)) == (sources, False)


def test_ends_go_to_the_bus_ten_at_a_time_and_are_put_aside_when_they_do_not() -> None:
    mapping = _resources()["EventsFunctionEnds"]["Properties"]
    [ends] = mapping["FilterCriteria"]["Filters"]

    assert mapping["BatchSize"] <= 10  # what PutEvents takes
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": ["EventsDeadLetterQueue", "Arn"]
    }
    assert json.loads(ends["Pattern"])["dynamodb"] == {
        "OldImage": {"status": {"S": [each for each in JobStatus if not each.is_terminal]}},
        "NewImage": {"status": {"S": [each for each in JobStatus if each.is_terminal]}},
    }


# ── Who is told ───────────────────────────────────────────────────────────────────────────────────


def test_mail_address_is_all_it_takes_to_be_told() -> None:
    resources = _resources()

    assert resources["AlarmSubscription"]["Properties"] == {
        "TopicArn": {"Ref": "AlarmTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }
    # No alarm can write to a topic under the key alias/aws/sns.
    assert "KmsMasterKeyId" not in resources["AlarmTopic"]["Properties"]
    given = resources["Monitoring"]["Properties"]["Parameters"]["AlarmTopicArn"]
    assert given == {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}
    assert {
        name for name, each in resources.items() if each.get("Condition") == "HasAlarmEmail"
    } == {"AlarmTopic", "AlarmSubscription"}


# ── The workers ───────────────────────────────────────────────────────────────────────────────────


def test_workers_number_memory_and_patience_are_the_operators() -> None:
    mapping = _resources()["WorkerFunctionJobs"]["Properties"]

    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "WorkerMaximumConcurrency"}}
    worker = _resources()["WorkerFunction"]["Properties"]
    assert worker["MemorySize"] == {"Ref": "WorkerMemoryMb"}
    assert worker["Environment"]["Variables"]["WORKER_JOBS"] == {"Ref": "WorkerJobs"}
    # A worker has room for what Lambda brings at once.
    assert mapping["BatchSize"] <= min(
        translated(TEXT)["Parameters"]["WorkerJobs"]["AllowedValues"]
    )


def test_job_that_is_received_last_has_time() -> None:
    worker = _resources()["WorkerFunction"]["Properties"]

    assert worker["Timeout"] - RECEIVES_FOR_SECONDS[1] >= 170


def test_scale_names_each_throttle_that_a_million_jobs_a_day_meet() -> None:
    text = (TEMPLATE.parent / "docs" / "scale.md").read_text()
    [(polls, messages)] = re.findall(
        r"^\| HTTP requests, WebSocket messages \| (\d+), 0 \| 1, (\d+) \|", text, re.MULTILINE
    )
    peak = 1_000_000 / 86_400 * 5
    needed = {
        "SubmitsPerSecond": peak,
        "ApiRequestsPerSecond": peak * int(polls),
        "PushMessagesPerSecond": peak * int(messages),
    }
    parameters = translated(TEXT)["Parameters"]

    for name, per_second in needed.items():
        default = parameters[name]["Default"]
        assert (f"`{name}` ({default})" in text) == (int(default) < per_second), name
