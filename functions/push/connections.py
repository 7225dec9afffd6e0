"""The clients' open WebSockets, as API Gateway keeps them."""

from typing import TYPE_CHECKING, Self

from simmer import aws
from simmer.aws import CLIENT_CONFIG, AwsError
from simmer.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


class Connections:
    """The connections of the WebSocket API at `endpoint`; safe to use from several threads."""

    def __init__(self, api: "ApiGatewayManagementApiClient") -> None:
        self._api = api

    @classmethod
    def connect(cls, endpoint: str) -> Self:
        return cls(aws.client("execute-api", CLIENT_CONFIG, endpoint))

    def send(self, connection_id: str, frame: str) -> bool:
        """Send the text; False, and no error, if the client has gone.

        Throttles are waited out for a moment; then, and for everything else, it raises
        `DependencyUnavailable`.
        """
        try:
            self._api.post_to_connection(ConnectionId=connection_id, Data=frame.encode())
        except AwsError as error:
            if error.code == "GoneException":
                return False
            raise DependencyUnavailable("API Gateway did not take the frame.") from error
        return True
