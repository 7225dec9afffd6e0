"""What an operator's credentials show of a stack: what a client would only see fail.

Each look is a function of the stack that yields a sentence for each thing that is wrong.
`aws(service)` makes a client, as `boto3.client` does.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ladder import Ladder
from simmer.books.ledger import Ledger
from simmer.errors import SimmerError
from simmer.table import Table

# Without one of these a function answers, but does not do what it is for.
NEEDED = {
    "SubmitFunction": {
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem"),
        *("sqs:SendMessage", "secretsmanager:GetSecretValue"),
    },
    "StatusFunction": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
    "CancelFunction": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
    "PushFunction": {
        *("dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:GetRecords"),
        *("secretsmanager:GetSecretValue", "execute-api:ManageConnections"),
    },
    "WorkerFunction": {
        *("dynamodb:GetItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"),
        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        *("sqs:ChangeMessageVisibility", "sqs:SendMessage"),
    },
    "EventsFunction": {"events:PutEvents", "sqs:SendMessage", "dynamodb:GetRecords"},
    "WebhookFunction": {
        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        *("sqs:ChangeMessageVisibility", "secretsmanager:GetSecretValue"),
    },
}
ALIAS = "live"
# What wakes a function that no client calls, and what is missed when nothing does.
SOURCES = {
    "WorkerFunction": "nothing takes jobs from the queue: JobsQueue has no consumer",
    "PushFunction": "nobody hears of the ends of jobs: the table's stream has no consumer",
    "EventsFunction": "the event bus hears of no end: its reader of the table's stream is off",
    "WebhookFunction": "the webhook's server hears of no end: WebhookQueue has no consumer",
}
# To no effect: nothing to route, nobody's records.
_NOTHING: dict[str, Any] = {each: {"Records": []} for each in SOURCES}


@dataclass
class Stack:
    """A deployed stack, by its name."""

    aws: Callable[[str], Any]
    name: str

    @cached_property
    def outputs(self) -> dict[str, str]:
        (stack,) = self.aws("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    @cached_property
    def ids(self) -> dict[str, str]:
        """Physical ids, by logical one."""
        pages = self.aws("cloudformation").get_paginator("list_stack_resources")
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.name)
            for each in page["StackResourceSummaries"]
        }

    @property
    def functions(self) -> list[str]:
        """The functions that there are: that of the webhook only with a WebhookUrl."""
        return [each for each in NEEDED if each in self.ids]

    def variables(self, function: str) -> dict[str, str]:
        """The environment of the function's published version."""
        found: dict[str, str] = self.configuration(function)["Environment"]["Variables"]
        return found

    def configuration(self, function: str) -> dict[str, Any]:
        """All about the function's published version."""
        about: dict[str, Any] = self.aws("lambda").get_function_configuration(
            FunctionName=self.ids[function], Qualifier=ALIAS
        )
        return about


def look(stack: Stack) -> list[str]:
    """Everything that is wrong, what comes first in a job's way first."""
    found: list[str] = []
    for each in (
        *(table, queue, concurrency, functions, layers, permissions, sources, stopped, ladder),
        *(push_address, push_key, alarms),
    ):
        try:
            found += each(stack)
        except (ClientError, BotoCoreError, SimmerError, KeyError) as error:
            found.append(f"could not look at it ({each.__name__}): {error}")
    return found


def refused_token(stack: Stack, claims: dict[str, Any]) -> str:
    """Why the API may refuse a token with these claims."""
    for authorizer in stack.aws("apigatewayv2").get_authorizers(ApiId=stack.ids["Api"])["Items"]:
        expected = authorizer["JwtConfiguration"]
        if claims.get("iss") != expected["Issuer"]:
            return (
                f"the token's issuer is {claims.get('iss')!r} and JwtIssuer {expected['Issuer']!r}:"
                " they must be the same to the letter, a slash at the end included"
            )
        audiences = claims.get("aud", claims.get("client_id"))
        given = set(audiences) if isinstance(audiences, list) else {audiences}
        if not given & set(expected["Audience"]):
            return f"the token is for {sorted(map(str, given))}, JwtAudience {expected['Audience']}"
    return "issuer and audience fit; is it expired, or signed by a key that the issuer withdrew?"


def table(stack: Stack) -> Iterator[str]:
    try:
        about = stack.aws("dynamodb").describe_table(TableName=stack.ids["JobsTable"])["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        yield "JobsTable is missing: somebody deleted it; restore it, or deploy a stack anew"
        return
    if about["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield f"JobsTable is {about['TableStatus']}"
    if not about.get("StreamSpecification", {}).get("StreamEnabled"):
        yield "the stream of JobsTable is off: nobody hears of the ends of jobs; clients poll"


def queue(stack: Stack) -> Iterator[str]:
    answer = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["JobsQueueUrl"], AttributeNames=["All"]
    )
    attributes = answer["Attributes"]
    worker = stack.configuration("WorkerFunction")["Timeout"]
    if int(attributes["VisibilityTimeout"]) < worker:
        yield (
            f"JobsQueue hides a message for {attributes['VisibilityTimeout']} s and a worker may "
            f"run for {worker} s: Lambda takes no such pair, and jobs would be taken twice"
        )
    if "RedrivePolicy" not in attributes:
        yield "JobsQueue has no dead-letter queue: what crashes workers comes back for a day"


def concurrency(stack: Stack) -> Iterator[str]:
    """Ten at once in a new account: workers that may take them all leave none for the API."""
    limit = stack.aws("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    mappings = stack.aws("lambda").list_event_source_mappings(
        FunctionName=f"{stack.ids['WorkerFunction']}:{ALIAS}"
    )["EventSourceMappings"]
    for mapping in mappings:
        workers = mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
        if workers >= limit:
            yield (
                f"{workers} workers (WorkerMaximumConcurrency) may take all {limit} functions that "
                "the account runs at once, and leave none for the API: raise the quota L-B99A9384"
            )


def functions(stack: Stack) -> Iterator[str]:
    for function in stack.functions:
        try:
            answer = stack.aws("lambda").invoke(
                FunctionName=stack.ids[function],
                Qualifier=ALIAS,
                Payload=json.dumps(_NOTHING.get(function, {"requestContext": {}})),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "TooManyRequestsException":
                raise
            yield (
                f"{function} is not let run: its reserved concurrency is used up or 0, or all of "
                "the account's executions are taken"
            )
            continue
        if "FunctionError" in answer:
            said = json.loads(answer["Payload"].read() or b"{}").get("errorMessage", "")
            cause = (
                "its code and the layer do not fit each other: build and deploy again"
                if "import" in said.lower() or "No module" in said
                else "its log says more"
            )
            yield f"{function} does not start ({said[:200]}): {cause}"


def layers(stack: Stack) -> Iterator[str]:
    """One update gives all functions the same layer: another one is an old one."""
    used: dict[str, list[str]] = {}
    for function in stack.functions:
        arns = [each["Arn"] for each in stack.configuration(function).get("Layers", [])]
        used.setdefault(", ".join(arns) or "none", []).append(function)
    if len(used) > 1:
        each = "; ".join(f"{', '.join(names)}: {arn}" for arn, names in used.items())
        yield f"the functions do not use the same layer ({each}): build and deploy again"


def permissions(stack: Stack) -> Iterator[str]:
    iam = stack.aws("iam")
    for function in stack.functions:
        role = stack.ids[f"{function}Role"]
        allowed: set[str] = set()
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in document["Statement"]:
                actions = statement["Action"]
                allowed |= {actions} if isinstance(actions, str) else set(actions)
        if missing := sorted(NEEDED[function] - allowed):
            yield f"{function} may not {', '.join(missing)}: its role in template.yaml lacks that"


def sources(stack: Stack) -> Iterator[str]:
    for function, complaint in SOURCES.items():
        if function not in stack.ids:
            continue
        mappings = stack.aws("lambda").list_event_source_mappings(
            FunctionName=f"{stack.ids[function]}:{ALIAS}"
        )["EventSourceMappings"]
        states = [each.get("State") for each in mappings]
        if not {"Enabled", "Enabling", "Creating", "Updating"}.intersection(states):
            yield f"{complaint} (event source of {function}: {states or 'none'})"


def stopped(stack: Stack) -> Iterator[str]:
    table = Table(stack.aws("dynamodb"), stack.ids["JobsTable"])
    if Ledger(table).control(datetime.now(UTC).date()).is_stopped:
        yield "all spending is stopped, so jobs wait: `./simmer-admin go` lets them go on"


def ladder(stack: Stack) -> Iterator[str]:
    try:
        rungs = Ladder.parse(stack.variables("WorkerFunction")["MODEL_LADDER"])
    except ValueError as error:
        yield f"ModelLadder cannot be read, so no worker starts: {error}"
        return
    manager = stack.aws("secretsmanager")
    secret = stack.outputs["ModelKeysSecretArn"]
    versions = manager.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]
    if len(versions) < 2:
        yield "the model's key is missing: the secret ModelKeysSecretArn still has its placeholder"
        return
    try:
        keys = json.loads(manager.get_secret_value(SecretId=secret)["SecretString"])
    except ValueError:
        yield 'the secret ModelKeysSecretArn is no JSON object like {"default": "sk-…"}'
        return
    for name in sorted({rung.key for rung in rungs} - set(keys)):
        yield f"the model's key is missing: the secret ModelKeysSecretArn has no entry {name!r}"


def push_address(stack: Stack) -> Iterator[str]:
    for function, name in (("SubmitFunction", "PUSH_URL"), ("PushFunction", "PUSH_ENDPOINT")):
        address = stack.variables(function).get(name, "")
        if stack.ids["PushApi"] not in address:
            yield f"{name} of {function} is {address!r}, and not PushApi's address; clients poll"


def push_key(stack: Stack) -> Iterator[str]:
    try:
        secret = stack.aws("secretsmanager").get_secret_value(SecretId=stack.ids["PushKeySecret"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            *("ResourceNotFoundException", "InvalidRequestException"),
        ):
            raise
        yield "the push key is missing: PushKeySecret was deleted; clients poll"
        return
    if not secret.get("SecretString"):
        yield "the push key is missing: PushKeySecret holds no text; clients poll"


def alarms(stack: Stack) -> Iterator[str]:
    if "AlarmTopic" not in stack.ids:
        return
    told = stack.aws("sns").list_subscriptions_by_topic(TopicArn=stack.ids["AlarmTopic"])
    for each in told["Subscriptions"]:
        if not each["SubscriptionArn"].startswith("arn:"):  # "PendingConfirmation", or "Deleted"
            yield (
                f"{each['Endpoint']} is told of no alarm: the mail in which AWS asks for a "
                "confirmation was not answered"
            )


def model_calls(stack: Stack, job_id: str) -> str:
    """How the job's calls of models ended, as the worker's log has them; empty when it has none."""
    pages = stack.aws("logs").get_paginator("filter_log_events")  # the first ones may be empty
    found = pages.paginate(logGroupName=stack.ids["WorkerLogGroup"], filterPattern=f'"{job_id}"')
    ends: dict[str, None] = {}
    for event in (event for page in found for event in page["events"]):
        try:
            line = json.loads(event["message"])
        except ValueError:
            continue  # a line of Lambda's own
        if line.get("message") == "model call" and line.get("jobId") == job_id:
            ends[f"{line['model']}: {line['ending']}"] = None
    return ", ".join(ends)


@contextmanager
def user_of(stack: Stack) -> Iterator[str]:
    """The token of a user of the stack's own pool, who is there for as long as it is needed."""
    cognito = stack.aws("cognito-idp")
    name, password = f"smoke-{secrets.token_hex(6)}", f"Sm0ke-{secrets.token_urlsafe(24)}"
    pool = {"UserPoolId": stack.outputs["UserPoolId"], "Username": name}
    cognito.admin_create_user(**pool, MessageAction="SUPPRESS")
    try:
        cognito.admin_set_user_password(**pool, Password=password, Permanent=True)
        signed_in = cognito.initiate_auth(
            ClientId=stack.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        yield signed_in["AuthenticationResult"]["AccessToken"]
    finally:
        cognito.admin_delete_user(**pool)
