"""What every request has that waits for a station's answer."""

from pydantic import Field

from control.api.types import RequestBody

TIMEOUT_MAX_S = 300.0
WAIT_MAX_S = 330.0


class Waiting(RequestBody):
    """How long to try, and how long to wait."""

    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=TIMEOUT_MAX_S,
        description="deadline: the command is not sent later than this; 30 if left out",
    )
    wait_s: float | None = Field(
        default=None,
        ge=0,
        le=WAIT_MAX_S,
        description="how long this call waits for the outcome before it answers 202; 0 does not "
        "wait. Left out, it waits as long as `timeout_s` and a little longer",
    )
