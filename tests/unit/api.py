"""The HTTP functions, as a client meets them through API Gateway."""

from typing import Any

from functions.cancel import app as cancel_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from tests.unit.events import cancel_event, status_event, submit_event


class Api:
    """The deployed functions, asked as API Gateway asks them."""

    def submit(self, body: object = None, **options: Any) -> dict[str, Any]:
        return submit_app.handler(submit_event(body, **options), None)

    def status(self, job_id: str, **options: Any) -> dict[str, Any]:
        return status_app.handler(status_event(job_id, **options), None)

    def cancel(self, job_id: str, **options: Any) -> dict[str, Any]:
        return cancel_app.handler(cancel_event(job_id, **options), None)
