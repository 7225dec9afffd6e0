"""template.yaml, as SAM translates it: whole, closed, and its times in order."""

import dataclasses
import json
import re
from functools import cache
from typing import Any

import pytest

from attempt import RENEWED_AFTER
from ladder import Ladder, Rung
from simmer.aws import CLIENT_CONFIG
from simmer.jobs.item import _key
from simmer.jobs.job import LAST_WRITE_MS, JobStatus
from simmer.settings import MetricsSettings, PushSettings, SubmitSettings, WorkerSettings
from tests.lint_template import PARAMETER_SETS, TEMPLATE, findings, translated

TEXT = TEMPLATE.read_text()
FUNCTIONS = [
    *("SubmitFunction", "StatusFunction", "CancelFunction"),
    *("PushFunction", "WorkerFunction", "EventsFunction", "WebhookFunction"),
]
WHICH_SECRET = {
    "SubmitFunction": ("PUSH_KEY_SECRET", "PushKeySecret"),
    "PushFunction": ("PUSH_KEY_SECRET", "PushKeySecret"),
    "WorkerFunction": ("MODEL_KEYS_SECRET", "ModelKeysSecret"),
    "WebhookFunction": ("WEBHOOK_SECRET", "WebhookSecret"),
}

# By the condition under which they are: the others never, the webhook's above all.
IN_A_NETWORK = {
    "StatusFunction": "HasStatusCache",
    "CancelFunction": "HasStatusCache",
    "WorkerFunction": "HasCachedWorkers",
}


@cache
def _template(parameters: str = "own pool") -> dict[str, Any]:
    return translated(TEXT, PARAMETER_SETS[parameters])


@pytest.fixture
def resources() -> dict[str, Any]:
    found: dict[str, Any] = _template()["Resources"]
    return found


def _of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == kind
    }


# ── Lint ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("parameters", PARAMETER_SETS.values(), ids=PARAMETER_SETS.keys())
def test_translated_template_is_clean(parameters: dict[str, str]) -> None:
    assert findings(TEXT, parameters) == []


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("Queue: !GetAtt JobsQueue.Arn", "Queue: !GetAtt JobsQueu.Arn", "JobsQueu"),
        ("JOBS_TABLE: !Ref JobsTable", "JOBS_TABLE: !Ref JobTable", "JobTable"),
        ("Runtime: python3.13", "Runtime: python3.99", "python3.99"),
        ("Policies:", "Policies: [SQSSendMesagePolicy]", "SQSSendMesagePolicy"),
    ],
)
def test_lint_catches_what_sam_validate_lets_pass(right: str, wrong: str, named: str) -> None:
    assert right in TEXT
    broken = TEXT.replace(right, wrong, 1)
    if right == "Policies:":  # the statements under it go with it
        broken = re.sub(r"(\[SQSSendMesagePolicy\]\n)(?: {8}.*\n)+", r"\1", broken, count=1)

    assert [finding for finding in findings(broken) if named in finding]


# ── The ladder of times ───────────────────────────────────────────────────────────────────────────


def test_provider_gives_up_before_the_function_and_the_function_before_the_queue(
    resources: dict[str, Any],
) -> None:
    provider_timeout = Rung(model="any").timeout_seconds
    function_timeout = resources["WorkerFunction"]["Properties"]["Timeout"]
    visibility_timeout = resources["JobsQueue"]["Properties"]["VisibilityTimeout"]

    assert provider_timeout < function_timeout <= visibility_timeout


def test_longest_provider_timeout_a_ladder_may_have_fits_into_the_function(
    resources: dict[str, Any],
) -> None:
    function_timeout = resources["WorkerFunction"]["Properties"]["Timeout"]

    with pytest.raises(ValueError, match="timeoutSeconds"):
        Rung.model_validate({"model": "any", "timeoutSeconds": function_timeout})


def test_lease_outlives_a_heartbeat_or_two_and_the_deadline_outlives_the_lease() -> None:
    worker, deadline_seconds = WorkerSettings, SubmitSettings.job_deadline_seconds

    assert 2 * worker.heartbeat_seconds < worker.lease_seconds
    latest_seconds = RENEWED_AFTER * worker.lease_seconds + worker.heartbeat_seconds
    assert latest_seconds < worker.lease_seconds - 3, "time to try a write again"
    assert worker.lease_seconds < deadline_seconds


def test_message_outlives_the_longest_deadline(resources: dict[str, Any]) -> None:
    longest_deadline = max(_numbers("JobDeadlineSeconds", up_to=10_000))

    assert longest_deadline < resources["JobsQueue"]["Properties"]["MessageRetentionPeriod"]


def _sources(resources: dict[str, Any], kind: str) -> list[tuple[dict[str, Any], str, str]]:
    """Each event source of a queue ("Arn") or a stream ("StreamArn"): its properties, what it
    reads, and its function."""
    return [
        (source, source["EventSourceArn"]["Fn::GetAtt"][0], source["FunctionName"]["Ref"][:-9])
        for source in _of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if source["EventSourceArn"]["Fn::GetAtt"][1] == kind
    ]


def test_no_queue_shows_a_message_again_while_its_function_may_still_have_it(
    resources: dict[str, Any],
) -> None:
    """Lambda refuses an event source whose queue hides messages for a shorter time."""
    sources = _sources(resources, "Arn")

    assert {queue for _, queue, _ in sources} == {"JobsQueue", "WebhookQueue"}
    for source, queue, function in sources:
        timeout = resources[function]["Properties"]["Timeout"]
        assert timeout <= resources[queue]["Properties"]["VisibilityTimeout"], queue
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "MaximumConcurrency" in source["ScalingConfig"]


def test_batch_that_lambda_takes_without_a_window_is_of_ten_at_most(
    resources: dict[str, Any],
) -> None:
    for source, queue, _ in _sources(resources, "Arn"):
        assert "MaximumBatchingWindowInSeconds" not in source, queue
        assert source["BatchSize"] <= 10, queue


def test_dead_letters_stay_longer_than_their_messages_did(resources: dict[str, Any]) -> None:
    """A message keeps its age when it is moved: with the same time it would be gone at once."""
    queues = _of_type(resources, "AWS::SQS::Queue")
    ends = {
        name: redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for name, queue in queues.items()
        if (redrive := queue.get("RedrivePolicy"))
    }

    assert set(ends) | set(ends.values()) | {"EventsDeadLetterQueue"} == set(queues)
    for name, dead in ends.items():
        kept = queues[dead]["MessageRetentionPeriod"]
        assert kept >= queues[name]["MessageRetentionPeriod"] + 7 * 24 * 3600
    assert queues["EventsDeadLetterQueue"]["MessageRetentionPeriod"] == 1_209_600  # the most
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())


def test_stream_has_two_readers_at_most_with_filters_as_short_as_lambda_takes_them(
    resources: dict[str, Any],
) -> None:
    """A third reader of a shard is throttled, and throttles the others."""
    sources = _sources(resources, "StreamArn")

    assert {function for _, _, function in sources} == {"PushFunction", "EventsFunction"}
    for source, _, _ in sources:
        filters = source["FilterCriteria"]["Filters"]
        assert 1 <= len(filters) <= 5
        assert all(len(each["Pattern"]) <= 4096 for each in filters)
        assert source["MaximumRecordAgeInSeconds"] in range(60, 24 * 3600)


# ── Who may do what ───────────────────────────────────────────────────────────────────────────────


def test_statement_of_a_function_has_no_wildcard(resources: dict[str, Any]) -> None:
    roles = _of_type(resources, "AWS::IAM::Role")
    statements = [
        statement
        for role in roles.values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]

    assert set(roles) == {f"{function}Role" for function in FUNCTIONS}
    assert statements
    # A connection's id is made when it is opened.
    [wild] = [
        statement
        for statement in statements
        if "*" in str([statement[name] for name in ("Action", "Resource")])
    ]
    assert wild["Resource"]["Fn::Sub"].endswith(":${PushApi}/push/POST/@connections/*")
    assert wild["Action"] == "execute-api:ManageConnections"


def test_no_function_has_a_policy_of_somebody_else(resources: dict[str, Any]) -> None:
    """AWS's own policies for a queue or a stream are for all of the account's."""
    roles = _of_type(resources, "AWS::IAM::Role")

    managed = {name: role.get("ManagedPolicyArns") for name, role in roles.items()}
    nothing = {"Ref": "AWS::NoValue"}
    reaches_cache = {
        f"{function}Role": {"Fn::If": [condition, [{"Ref": "NetworkPolicy"}], nothing]}
        for function, condition in IN_A_NETWORK.items()
    }
    assert {name: arns for name, arns in managed.items() if arns} == reaches_cache
    assert resources["NetworkPolicy"]["Condition"] == "HasStatusCache"
    for function in FUNCTIONS:
        assert resources[function]["Properties"]["Role"] == {
            "Fn::GetAtt": [f"{function}Role", "Arn"]
        }


@pytest.mark.parametrize("function", ["StatusFunction", "CancelFunction", "PushFunction"])
def test_function_that_needs_only_jobs_sees_neither_the_ledger_nor_a_quota(
    resources: dict[str, Any], function: str
) -> None:
    [policy] = resources[f"{function}Role"]["Properties"]["Policies"]
    [about_items] = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == {"Fn::GetAtt": ["JobsTable", "Arn"]}
    ]

    assert about_items["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": _key("*")}
    }


_STREAM = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"]
PERMISSIONS = {
    "SubmitFunction": {
        ("JobsTable", "dynamodb:PutItem"),
        ("JobsTable", "dynamodb:GetItem"),
        ("JobsTable", "dynamodb:UpdateItem"),
        ("JobsQueue", "sqs:SendMessage"),
        ("PushKeySecret", "secretsmanager:GetSecretValue"),
    },
    "StatusFunction": {("JobsTable", "dynamodb:GetItem"), ("JobsTable", "dynamodb:UpdateItem")},
    "CancelFunction": {("JobsTable", "dynamodb:GetItem"), ("JobsTable", "dynamodb:UpdateItem")},
    "PushFunction": {
        ("JobsTable", "dynamodb:GetItem"),
        ("JobsTable", "dynamodb:UpdateItem"),
        ("PushKeySecret", "secretsmanager:GetSecretValue"),
        ("PushApi", "execute-api:ManageConnections"),
        *(("JobsTable.StreamArn", f"dynamodb:{action}") for action in _STREAM),
    },
    "WorkerFunction": {
        ("JobsTable", "dynamodb:UpdateItem"),
        ("JobsTable", "dynamodb:GetItem"),
        ("JobsQueue", "sqs:ReceiveMessage"),
        ("JobsQueue", "sqs:DeleteMessage"),
        ("JobsQueue", "sqs:GetQueueAttributes"),
        ("JobsQueue", "sqs:ChangeMessageVisibility"),
        ("JobsQueue", "sqs:SendMessage"),
        ("ModelKeysSecret", "secretsmanager:GetSecretValue"),
    },
    "EventsFunction": {
        ("EventBus", "events:PutEvents"),
        ("EventsDeadLetterQueue", "sqs:SendMessage"),
        *(("JobsTable.StreamArn", f"dynamodb:{action}") for action in _STREAM),
    },
    "WebhookFunction": {
        ("WebhookQueue", "sqs:ReceiveMessage"),
        ("WebhookQueue", "sqs:DeleteMessage"),
        ("WebhookQueue", "sqs:GetQueueAttributes"),
        ("WebhookQueue", "sqs:ChangeMessageVisibility"),
        ("WebhookSecret", "secretsmanager:GetSecretValue"),
    },
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_may_do_what_it_does_and_no_more(resources: dict[str, Any], function: str) -> None:
    permitted = set()
    for policy in resources[f"{function}Role"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                permitted.add((_target(statement["Resource"]), action))

    log = function.replace("Function", "LogGroup")
    writes_its_log = {(log, "logs:CreateLogStream"), (log, "logs:PutLogEvents")}
    assert permitted == PERMISSIONS[function] | writes_its_log


def _target(resource: Any) -> str:
    """The logical id behind a `Ref`, an `Arn` or an ARN that is put together."""
    [reference] = resource.values()
    if "Fn::Sub" in resource:
        [reference] = re.findall(r"\$\{(\w+)\}", reference)
    if isinstance(reference, str):
        return reference
    logical_id, attribute = reference
    return str(logical_id) if attribute in ("Arn", "Id") else f"{logical_id}.{attribute}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_in_a_network_only_with_a_status_cache(
    resources: dict[str, Any], function: str
) -> None:
    """Webhook never: its defence against addresses inside is that nothing is inside."""
    properties = resources[function]["Properties"]
    if function not in IN_A_NETWORK:
        assert "VpcConfig" not in properties
        assert "STATUS_CACHE_URL" not in properties["Environment"]["Variables"]
        return
    condition, network, otherwise = properties["VpcConfig"]["Fn::If"]
    assert (condition, otherwise) == (IN_A_NETWORK[function], {"Ref": "AWS::NoValue"})
    assert network == {
        "SubnetIds": {"Fn::Split": [",", {"Ref": "StatusCacheSubnetIds"}]},
        "SecurityGroupIds": {"Fn::Split": [",", {"Ref": "StatusCacheSecurityGroupIds"}]},
    }


def test_no_code_of_a_function_may_change_the_network(resources: dict[str, Any]) -> None:
    policy = resources["NetworkPolicy"]["Properties"]["PolicyDocument"]
    allow, deny = policy["Statement"]

    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert {action.partition(":")[0] for action in allow["Action"]} == {"ec2"}
    assert deny["Action"] == "ec2:*"
    assert "Condition" not in allow
    assert list(deny["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]


@pytest.mark.parametrize(
    ("parameter", "value", "is_taken"),
    [
        ("StatusCacheUrl", "", True),
        ("StatusCacheUrl", "rediss://jobs-abc.serverless.use1.cache.amazonaws.com:6379", True),
        ("StatusCacheUrl", "redis://10.0.0.7:6379", True),
        ("StatusCacheUrl", "rediss://jobs.example", False),
        ("StatusCacheUrl", "jobs.example:6379", False),
        ("StatusCacheUrl", "https://jobs.example:6379", False),
        ("StatusCacheUrl", "rediss://user:word@jobs.example:6379", False),
        ("StatusCacheUrl", "rediss://jobs.example:6379/0", False),
        ("StatusCacheSubnetIds", "", True),
        ("StatusCacheSubnetIds", "subnet-0123456789abcdef0", True),
        ("StatusCacheSubnetIds", "subnet-01234567,subnet-0123456789abcdef0", True),
        ("StatusCacheSubnetIds", "subnet-0123456789abcdef0,", False),
        ("StatusCacheSubnetIds", "subnet-01234567 subnet-01234568", False),
        ("StatusCacheSubnetIds", "vpc-01234567", False),
        ("StatusCacheSecurityGroupIds", "", True),
        ("StatusCacheSecurityGroupIds", "sg-01234567,sg-0123456789abcdef0", True),
        ("StatusCacheSecurityGroupIds", "sg-01234567,sg-01234568,sg-01234569", False),
        ("StatusCacheSecurityGroupIds", "default", False),
    ],
)
def test_nonsense_about_the_status_cache_is_refused_when_it_is_deployed(
    parameter: str, value: str, *, is_taken: bool
) -> None:
    about = _template()["Parameters"][parameter]

    assert bool(re.fullmatch(about["AllowedPattern"], value)) == is_taken
    assert about["Default"] == ""


def test_a_status_cache_goes_with_its_network() -> None:
    rule = _template()["Rules"]["NetworkGoesWithStatusCache"]
    wanted = {
        each["Assert"]["Fn::Not"][0]["Fn::Equals"][0]["Ref"]: each["Assert"]["Fn::Not"][0][
            "Fn::Equals"
        ][1]
        for each in rule["Assertions"]
    }

    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "StatusCacheUrl"}, ""]}]}
    assert wanted == {"StatusCacheSubnetIds": "", "StatusCacheSecurityGroupIds": ""}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_holds_no_secret(resources: dict[str, Any], function: str) -> None:
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    suspicious = {
        name: value
        for name, value in variables.items()
        if re.search(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", name)
        or re.search(r"resolve:|sk-|Secret", str(value))
    }

    if function in WHICH_SECRET:
        variable, secret = WHICH_SECRET[function]
        assert suspicious.pop(variable) in ({"Ref": secret}, {"Fn::GetAtt": [secret, "Id"]})
    assert suspicious == {}


def test_no_parameter_takes_a_secret() -> None:
    parameters = _template()["Parameters"]

    assert [name for name in parameters if re.search(r"(?i)key|secret|password", name)] == []


@pytest.mark.parametrize("parameters", PARAMETER_SETS)
def test_every_route_asks_for_a_token(parameters: str) -> None:
    api = _template(parameters)["Resources"]["Api"]["Properties"]
    routes = {
        f"{method.upper()} {path}": route["security"]
        for path, methods in api["Body"]["paths"].items()
        for method, route in methods.items()
    }

    assert routes == {
        "POST /{task}/generate": [{"Jwt": []}],
        "GET /{task}/status/{jobId}": [{"Jwt": []}],
        "POST /{task}/cancel/{jobId}": [{"Jwt": []}],
    }
    authorizer = api["Body"]["components"]["securitySchemes"]["Jwt"]
    assert authorizer["x-amazon-apigateway-authorizer"]["type"] == "jwt"


def test_jwt_is_the_apis_default_so_that_a_new_route_has_it_too() -> None:
    assert re.search(r"Auth:\n +DefaultAuthorizer: Jwt\n", TEXT)
    assert "Authorizer: NONE" not in TEXT


# ── Web apps of other origins ─────────────────────────────────────────────────────────────────────


def test_origins_that_are_given_may_call_the_api_and_read_what_clients_need() -> None:
    template = _template("given origins")
    condition, cors, otherwise = _cors(template)["Fn::If"]

    assert cors == {
        "allowOrigins": ["https://app.example", "http://localhost:5173"],
        "allowMethods": ["GET", "POST"],
        "allowHeaders": [
            *("authorization", "content-type", "cache-control", "idempotency-key"),
            *("accept-language", "traceparent", "tracestate", "baggage", "sentry-trace"),
        ],
        "exposeHeaders": ["date", "location", "retry-after"],
        "maxAge": 3600,
    }
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert template["Conditions"][condition] == {
        "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "AllowedOrigins"}]}, ""]}]
    }


def test_no_origin_is_allowed_by_default() -> None:
    assert _template()["Parameters"]["AllowedOrigins"]["Default"] == ""


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("", True),
        ("*", True),
        ("https://app.example", True),
        ("http://localhost:5173", True),
        ("https://app.example/", False),  # no browser calls itself that
        ("https://app.example/shop", False),
        ("app.example", False),
    ],
)
def test_origin_is_one_as_browsers_write_it(origin: str, is_taken: bool) -> None:
    pattern = _template()["Parameters"]["AllowedOrigins"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, origin)) == is_taken


def _cors(template: dict[str, Any]) -> Any:
    return template["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]


# ── What a function is told ───────────────────────────────────────────────────────────────────────


type Settings = type[MetricsSettings | SubmitSettings | PushSettings | WorkerSettings]


def _field(settings: Settings, name: str) -> dataclasses.Field[Any]:
    [field] = [each for each in dataclasses.fields(settings) if each.name == name]
    return field


def _names(settings: Settings, *, required: bool) -> set[str]:
    return {
        field.metadata.get("variable", field.name.upper())
        for field in dataclasses.fields(settings)
        if field.default is dataclasses.MISSING or not required
    }


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        ("SubmitFunction", SubmitSettings),
        ("PushFunction", PushSettings),
        ("WorkerFunction", WorkerSettings),
    ],
)
def test_function_is_told_every_setting_it_needs_and_none_it_ignores(
    resources: dict[str, Any], function: str, settings: Settings
) -> None:
    told = set(resources[function]["Properties"]["Environment"]["Variables"])
    told.remove("PYDANTIC_DISABLE_PLUGINS")  # pydantic's own
    of_all = _names(MetricsSettings, required=False)

    assert of_all <= told
    assert _names(settings, required=True) <= told - of_all <= _names(settings, required=False)


@pytest.mark.parametrize(
    ("parameter", "setting"),
    [
        ("CacheScope", "cache_scope"),
        ("DailyJobQuota", "daily_job_quota"),
        ("UserJobsInFlight", "jobs_in_flight"),
        ("JobDeadlineSeconds", "job_deadline_seconds"),
        ("RetentionSeconds", "retention_seconds"),
    ],
)
def test_default_of_a_parameter_is_that_of_its_setting(parameter: str, setting: str) -> None:
    default = _template()["Parameters"][parameter]["Default"]

    assert default == str(getattr(SubmitSettings, setting))


@pytest.mark.parametrize(
    ("parameter", "setting"),
    [
        ("DailyJobQuota", "daily_job_quota"),
        ("UserJobsInFlight", "jobs_in_flight"),
        ("JobDeadlineSeconds", "job_deadline_seconds"),
        ("RetentionSeconds", "retention_seconds"),
    ],
)
def test_parameter_that_can_be_deployed_is_one_the_function_takes(
    parameter: str, setting: str
) -> None:
    smallest = min(_numbers(parameter))

    assert smallest == _field(SubmitSettings, setting).metadata["at_least"]


def _numbers(parameter: str, *, up_to: int = 1000) -> list[int]:
    """The whole numbers that can be deployed."""
    pattern = _template()["Parameters"][parameter]["AllowedPattern"]
    return [number for number in range(up_to + 1) if re.fullmatch(pattern, str(number))]


@pytest.mark.parametrize(
    ("parameter", "smallest", "largest"),
    [
        ("DailyJobQuota", 1, 9_999_999),
        ("UserJobsInFlight", 1, 999),
        ("JobDeadlineSeconds", 30, 3600),
        ("RetentionSeconds", 60, 99_999_999),
        ("ApiRequestsPerSecond", 1, 99_999),
        ("SubmitsPerSecond", 1, 99_999),
        ("PushMessagesPerSecond", 1, 99_999),
        ("WorkerMaximumConcurrency", 2, 1000),
    ],
)
def test_number_that_no_function_could_read_is_refused_when_it_is_deployed(
    parameter: str, smallest: int, largest: int
) -> None:
    about = _template()["Parameters"][parameter]
    numbers = _numbers(parameter, up_to=10_000)

    assert numbers == list(range(smallest, min(largest, 10_000) + 1))
    assert re.fullmatch(about["AllowedPattern"], str(largest))
    for wrong in (str(largest + 1), "1.5", "60.0", "-60", "060", "6e1", " 60", "", "sixty"):
        assert not re.fullmatch(about["AllowedPattern"], wrong), wrong
    assert about["Type"] == "String"  # a pattern is not looked at for a Number
    assert about["ConstraintDescription"] == f"must be a whole number from {smallest} to {largest}"


@pytest.mark.parametrize(
    ("ladder", "is_taken"),
    [
        ('[{"model": "a"}]', True),
        ('[{"model":"a"},{"model":"b","price":{"input":1,"cachedInput":0,"output":5}}]', True),
        (' [ { "baseUrl": "http://x/v1", "model" : "a" } ] ', True),
        ('[{"model": "a", "extraBody": {"thinking": {"type": "disabled"}, "stop": ["x"]}}]', True),
        ("", False),
        ("gpt", False),
        ("[]", False),
        ("[{}]", False),
        ('{"model": "a"}', False),
        ('["a"]', False),
        ("[{'model': 'a'}]", False),
        ("[{model: a}]", False),  # what is left of it behind a shell's quotes
        ("[{“model”: “a”}]", False),
        ('[{"model": ""}]', False),
        ('[{"modell": "a"}]', False),
        ('[{"model": "a"},]', False),
        ('[{"model": "a",}]', False),
        ('[{"model": "a"}', False),
        ('{"model": "a"}]', False),
    ],
)
def test_broken_ladder_is_refused_when_it_is_deployed(ladder: str, is_taken: bool) -> None:
    pattern = _template()["Parameters"]["ModelLadder"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, ladder)) == is_taken


@pytest.mark.parametrize(
    ("parameter", "right", "wrong"),
    [
        (
            "JwtIssuer",
            ["", "https://issuer.example", "https://tenant.eu.auth0.com/", "https://a.b/realms/c"],
            ["issuer.example", "http://issuer.example", "https://", "https://a.b/ ", "https://a?b"],
        ),
        (
            "AlarmTopicArn",
            [
                "",
                "arn:aws:sns:us-east-1:123456789012:alarms",
                "arn:aws-cn:sns:cn-n-1:123456789012:a",
            ],
            [
                "alarms",
                "arn:aws:sqs:us-east-1:123456789012:alarms",
                "arn:aws:sns:us-east-1:1:alarms",
            ],
        ),
        (
            "CertificateArn",
            ["", "arn:aws:acm:us-east-1:123456789012:certificate/c-1"],
            ["c-1", "arn:aws:iam::123456789012:server-certificate/c"],
        ),
        (
            "NotifyFunctionArn",
            [
                "",
                "arn:aws:lambda:us-east-1:123456789012:function:notify",
                "arn:aws:lambda:us-east-1:123456789012:function:notify:live",
            ],
            ["notify", "arn:aws:lambda:us-east-1:123456789012:layer:notify"],
        ),
        (
            "DomainName",
            ["", "api.example.com"],
            ["https://api.example.com", "api", "API.example.com"],
        ),
        ("AlarmEmail", ["", "ops@example.com"], ["ops", "ops@example", "a@b.c d@e.f"]),
    ],
)
def test_address_that_aws_would_not_take_is_refused_when_it_is_deployed(
    parameter: str, right: list[str], wrong: list[str]
) -> None:
    about = _template()["Parameters"][parameter]

    assert [each for each in right if not re.fullmatch(about["AllowedPattern"], each)] == []
    assert [each for each in wrong if re.fullmatch(about["AllowedPattern"], each)] == []
    assert about["ConstraintDescription"].startswith("must be ")


def test_every_text_that_an_operator_types_has_a_pattern() -> None:
    """What is refused at once costs no build, no upload and no roll-back."""
    free = {
        name
        for name, about in _template()["Parameters"].items()
        if not {"AllowedValues", "AllowedPattern"} & set(about)
    }

    assert free == {"JwtAudience", "AllowedHeaders"}  # anything may be an audience, or a header


def test_pattern_of_the_ladder_takes_no_time_for_a_long_one() -> None:
    """A pattern that goes back and forth would outlast the limit of 4,096 letters by hours."""
    pattern = _template()["Parameters"]["ModelLadder"]["AllowedPattern"]

    for piece in ('[{"model": ', ' "model" : "a"', "{,", ", }", '"model"'):
        assert not re.fullmatch(pattern, ("[{" + piece * 400)[:4096])


def test_budget_is_the_same_number_in_template_and_settings() -> None:
    parameter = _template()["Parameters"]["DailyBudgetUsd"]
    setting = _field(WorkerSettings, "daily_budget_usd")

    assert float(parameter["Default"]) == setting.default == setting.metadata["at_least"] == 0
    for right in ("0", "0.5", "20", "1000.25"):
        assert re.fullmatch(parameter["AllowedPattern"], right)
    for wrong in ("", "-1", "1e3", ".5", "5.", "$5", "NaN", "inf", "0,5"):
        assert not re.fullmatch(parameter["AllowedPattern"], wrong)


def test_shortest_deadline_leaves_a_worker_time_to_write() -> None:
    shortest = min(_numbers("JobDeadlineSeconds"))

    assert shortest * 1000 > LAST_WRITE_MS


def test_default_ladder_can_be_read() -> None:
    default = _template()["Parameters"]["ModelLadder"]["Default"]

    assert len(Ladder.parse(default)) >= 1


def test_submit_and_worker_read_the_same_models_from_the_ladder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ladder = (
        '[{"model": "a", "price": {"input": 1, "cachedInput": 0, "output": 5}},'
        ' {"model": "b", "key": "other"}, {"model": "a", "structured": "prompt"}]'
    )
    monkeypatch.setenv("JOBS_TABLE", "jobs")
    monkeypatch.setenv("JOBS_QUEUE_URL", "https://queue")
    monkeypatch.setenv("MODEL_LADDER", ladder)

    models = SubmitSettings.from_env().models
    assert list(models) == list(dict.fromkeys(rung.model for rung in Ladder.parse(ladder)))


# ── What stands beside what ───────────────────────────────────────────────────────────────────────


def test_dead_letter_queue_stands_right_below_its_queue(resources: dict[str, Any]) -> None:
    ids = re.findall(r"(?m)^  (\w+):$", TEXT.partition("\nResources:\n")[2])
    redrive = resources["JobsQueue"]["Properties"]["RedrivePolicy"]

    assert ids[ids.index("JobsQueue") + 1] == "JobsDeadLetterQueue"
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["JobsDeadLetterQueue", "Arn"]}
    assert redrive["maxReceiveCount"] >= 5  # throttled receives must not dead-letter a job


@pytest.mark.parametrize("function", FUNCTIONS)
def test_logs_of_a_function_do_not_stay_for_ever(resources: dict[str, Any], function: str) -> None:
    logging = resources[function]["Properties"]["LoggingConfig"]

    group = resources[logging["LogGroup"]["Ref"]]

    assert logging["LogFormat"] == "JSON"
    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_function_is_looked_at_here(resources: dict[str, Any]) -> None:
    assert sorted(_of_type(resources, "AWS::Lambda::Function")) == sorted(FUNCTIONS)


def test_worker_reports_which_messages_failed(resources: dict[str, Any]) -> None:
    mapping = resources["WorkerFunctionJobs"]["Properties"]

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "WorkerMaximumConcurrency"}}


def test_message_that_is_sent_anew_again_and_again_is_no_runaway_loop(
    resources: dict[str, Any],
) -> None:
    assert resources["WorkerFunction"]["Properties"]["RecursiveLoop"] == "Allow"


@pytest.mark.parametrize("function", ["SubmitFunction", "StatusFunction", "CancelFunction"])
def test_function_has_time_to_say_503_when_a_service_hangs(
    resources: dict[str, Any], function: str
) -> None:
    config = CLIENT_CONFIG
    tries = config.attempts
    longest_pauses = sum(2**retry for retry in range(tries - 1))
    gives_up_after = tries * (config.connect_timeout + config.read_timeout) + longest_pauses

    assert gives_up_after < resources[function]["Properties"]["Timeout"] < 30


def test_pool_of_our_own_lets_nobody_sign_up_by_himself(resources: dict[str, Any]) -> None:
    pool = resources["UserPool"]["Properties"]

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


# ── Push ──────────────────────────────────────────────────────────────────────────────────────────


def test_stream_brings_the_one_write_that_ends_a_job_with_subscribers_its_news_and_its_turn(
    resources: dict[str, Any],
) -> None:
    mapping = resources["PushFunctionEnds"]["Properties"]
    [pattern, news, turn] = mapping["FilterCriteria"]["Filters"]
    terminal = [status for status in JobStatus if status.is_terminal]
    open_ = [status for status in JobStatus if not status.is_terminal]

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["JobsTable", "StreamArn"]}
    assert resources["JobsTable"]["Properties"]["StreamSpecification"] == {
        "StreamViewType": "NEW_AND_OLD_IMAGES"
    }
    assert json.loads(pattern["Pattern"]) == {
        "dynamodb": {
            "OldImage": {"status": {"S": open_}},
            "NewImage": {"status": {"S": terminal}, "has_subscribers": {"BOOL": [True]}},
        },
    }
    assert json.loads(news["Pattern"]) == {
        "dynamodb": {
            "NewImage": {
                "status": {"S": [JobStatus.PROCESSING]},
                "has_news": {"BOOL": [True]},
                "has_subscribers": {"BOOL": [True]},
            },
        },
    }
    assert json.loads(turn["Pattern"]) == {
        "dynamodb": {
            "OldImage": {"status": {"S": [JobStatus.PENDING]}},
            "NewImage": {
                "status": {"S": [JobStatus.PROCESSING]},
                "turn": {"S": ["first"]},
                "has_subscribers": {"BOOL": [True]},
            },
        },
    }


def test_news_of_an_end_is_tried_again_a_few_times_and_not_for_long(
    resources: dict[str, Any],
) -> None:
    mapping = resources["PushFunctionEnds"]["Properties"]

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert 1 <= mapping["MaximumRetryAttempts"] <= 5
    assert 60 <= mapping["MaximumRecordAgeInSeconds"] <= 300


def test_clients_are_told_the_address_that_the_frames_are_sent_from(
    resources: dict[str, Any],
) -> None:
    submit, push = (
        resources[function]["Properties"]["Environment"]["Variables"]
        for function in ("SubmitFunction", "PushFunction")
    )
    stage = resources["PushStage"]["Properties"]
    address = "${PushApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + stage["StageName"]

    assert submit["PUSH_URL"] == {"Fn::Sub": f"wss://{address}"}
    assert push["PUSH_ENDPOINT"] == {"Fn::Sub": f"https://{address}"}
    assert submit["PUSH_KEY_SECRET"] == push["PUSH_KEY_SECRET"]
    assert stage["AutoDeploy"] is True
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "PushMessagesPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "PushMessagesPerSecond"},
    }


def test_every_route_of_the_websocket_leads_to_push(resources: dict[str, Any]) -> None:
    routes = _of_type(resources, "AWS::ApiGatewayV2::Route").values()
    permission = resources["PushPermission"]["Properties"]

    assert {route["RouteKey"] for route in routes} == {"$connect", "subscribe", "$default"}
    assert {route["Target"]["Fn::Sub"] for route in routes} == {"integrations/${PushIntegration}"}
    uri, names = resources["PushIntegration"]["Properties"]["IntegrationUri"]["Fn::Sub"]
    assert "/functions/${Alias}/invocations" in uri
    assert names == {"Alias": {"Ref": "PushFunctionAliaslive"}}
    assert permission["FunctionName"] == {"Ref": "PushFunctionAliaslive"}
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${PushApi}/push/*")


def test_push_key_is_made_by_aws_and_long_enough(resources: dict[str, Any]) -> None:
    secret = resources["PushKeySecret"]["Properties"]

    assert "SecretString" not in secret
    assert secret["GenerateSecretString"]["PasswordLength"] >= 43  # 256 bits of letters and digits


# ── What stays, and for how long ──────────────────────────────────────────────────────────────────


def test_jobs_are_encrypted_recoverable_and_forgotten_in_time(resources: dict[str, Any]) -> None:
    table = resources["JobsTable"]["Properties"]

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert "SSESpecification" not in table  # it is encrypted anyhow; this would bill KMS's calls
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at_seconds",
        "Enabled": True,
    }


def test_nothing_has_a_physical_name(resources: dict[str, Any]) -> None:
    named = [
        (name, property_name)
        for name, resource in resources.items()
        for property_name in resource["Properties"]
        if property_name
        in ("TableName", "QueueName", "FunctionName", "RoleName", "LogGroupName", "TopicName")
        and not (
            resource["Type"].startswith("AWS::Lambda::")
            and property_name == "FunctionName"
            and resource["Type"] != "AWS::Lambda::Function"
        )
    ]

    # Their names say how AWS may deliver to them, and begin with the stack's own.
    assert named == [("ApiLogGroup", "LogGroupName"), ("PushAccessLogGroup", "LogGroupName")]
    for name, _ in named:
        said = resources[name]["Properties"]["LogGroupName"]["Fn::Sub"]
        assert said.startswith("/aws/vendedlogs/${AWS::StackName}-")


def test_every_parameter_and_output_is_described() -> None:
    template = _template()

    for entry in (*template["Parameters"].values(), *template["Outputs"].values()):
        assert entry["Description"]


def test_traces_may_be_written_only_where_they_are_drawn(resources: dict[str, Any]) -> None:
    policy = resources["TracingPolicy"]
    *always, with_a_webhook = policy["Properties"]["Roles"]
    condition, role, otherwise = with_a_webhook["Fn::If"]
    roles = {each["Ref"] for each in (*always, role)}

    assert (condition, otherwise) == ("HasWebhook", {"Ref": "AWS::NoValue"})
    assert policy["Condition"] == "HasTracing"
    assert roles == {
        resources[function]["Properties"]["Role"]["Fn::GetAtt"][0] for function in FUNCTIONS
    }
    for function in FUNCTIONS:
        mode = resources[function]["Properties"]["TracingConfig"]["Mode"]
        assert mode in ({"Ref": "Tracing"}, "PassThrough")
