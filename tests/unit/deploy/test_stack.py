"""What `make destroy` leaves, and takes away when it is told to."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploy import artifacts, stack
from deploy.parameters import deploy_id


class Aws:
    """Makes clients, as boto3 does."""

    @staticmethod
    def client(service: str) -> Any:
        make_client: Any = boto3.client
        return make_client(service, region_name="us-east-1")


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws()


@pytest.mark.parametrize("is_protected", [True, False])
def test_table_is_removed_protected_or_not(aws: Aws, is_protected: bool) -> None:
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        DeletionProtectionEnabled=is_protected,
    )

    stack.remove(aws, "AWS::DynamoDB::Table", "jobs")

    assert dynamodb.list_tables()["TableNames"] == []


class Cognito:
    """Refuses to delete a protected pool, as AWS does."""

    def __init__(self) -> None:
        self.pools = {"pool": "ACTIVE"}

    def client(self, service: str) -> "Cognito":
        assert service == "cognito-idp"
        return self

    def update_user_pool(self, *, UserPoolId: str, DeletionProtection: str) -> None:  # noqa: N803
        self.pools[UserPoolId] = DeletionProtection

    def delete_user_pool(self, *, UserPoolId: str) -> None:  # noqa: N803
        assert self.pools.pop(UserPoolId) == "INACTIVE"


def test_users_are_removed_though_they_were_protected() -> None:
    cognito = Cognito()

    stack.remove(cognito, "AWS::Cognito::UserPool", "pool")

    assert cognito.pools == {}


def test_what_outlives_a_stack_is_its_table_and_its_pool() -> None:
    class CloudFormation:
        def get_paginator(self, operation: str) -> "CloudFormation":
            assert operation == "list_stack_resources"
            return self

        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            kinds = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Cognito::UserPool")
            return [
                {
                    "StackResourceSummaries": [
                        {"ResourceType": kind, "PhysicalResourceId": kind[-4:]}
                    ]
                }
                for kind in kinds
            ]

    assert stack.retained(CloudFormation(), "simmer") == {
        "AWS::DynamoDB::Table": "able",
        "AWS::Cognito::UserPool": "Pool",
    }


def test_wrong_parameters_stop_it_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    monkeypatch.setattr(stack, "_sam", lambda *arguments: called.append(arguments[0]))

    with pytest.raises(stack.Stopped, match="DailyJobQuota: must be a whole number"):
        stack.build("dev", {"DailyJobQuota": "1.5"})
    assert called == []


def test_build_and_deployment_are_told_the_same_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, tuple[str, ...]] = {}
    monkeypatch.setattr(stack, "_sam", lambda *words: told.update({words[0]: words}))
    monkeypatch.setattr(artifacts, "finish", lambda _: 0)
    monkeypatch.setattr(artifacts, "faults", lambda _, architecture: [])
    parameters = {"Architecture": "x86_64", "DailyJobQuota": "7"}

    stack.build("dev", parameters)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(), pytest.raises(ClientError, match="simmer"):  # there is no such stack
        stack.deploy("dev", "simmer", parameters, ask=False)

    given = 'Architecture="x86_64"', 'DailyJobQuota="7"'
    assert told["build"][-2:] == given
    assert told["deploy"][-3:-1] == given
    # Of these parameters: with others, versions are published.
    assert told["deploy"][-1] == f'DeployId="{deploy_id(parameters)}"'
    assert "--no-confirm-changeset" in told["deploy"]
