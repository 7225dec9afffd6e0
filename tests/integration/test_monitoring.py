"""The nested stack stands beside the jobs, and its alarms look at what is really there."""

from typing import Any

from local.emulator.deployment import Deployment


def test_alarms_and_filters_look_at_this_stacks_own_queue_api_and_logs(
    deployment: Deployment,
) -> None:
    kind, stack_id = deployment.resources["Monitoring"]
    client = deployment.emulator.client
    pages = client("cloudformation").get_paginator("list_stack_resources")
    nested: dict[str, Any] = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages.paginate(StackName=stack_id)
        for each in page["StackResourceSummaries"]
    }
    queue_url = deployment.outputs["JobsDeadLetterQueueUrl"]

    assert kind == "AWS::CloudFormation::Stack"
    described = client("cloudwatch").describe_alarms(
        AlarmNames=[nested["DeadLettersAlarm"], nested["ApiFailingAlarm"], nested["BugsAlarm"]]
    )["MetricAlarms"]
    watched = {alarm["MetricName"]: alarm for alarm in described}
    assert watched["ApproximateNumberOfMessagesVisible"]["Dimensions"] == [
        {"Name": "QueueName", "Value": queue_url.rpartition("/")[2]}
    ]
    assert watched["5xx"]["Dimensions"] == [{"Name": "ApiId", "Value": deployment.api_id}]
    assert watched["Bugs"]["Namespace"] == f"Simmer/{deployment.stack_name}"
    assert [alarm["AlarmName"] for alarm in described if alarm["AlarmActions"]] == []
    filters = client("logs").describe_metric_filters(
        logGroupName=deployment.physical_id("WorkerLogGroup")
    )["metricFilters"]
    assert {each["filterName"] for each in filters} >= {nested["WorkerBugFilter"]}
