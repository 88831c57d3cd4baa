"""Webhooks: endpoints that are told of events, and what became of each delivery."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

TEST_TYPE = "webhook.test"
"""Type of what is delivered when somebody asks whether an endpoint works; no event has it."""
GONE = 410
"""The status by which a receiver says that it wants no more (Standard Webhooks, "Responses")."""
WAITING_COUNTED = 1000
"""How far deliveries that wait are counted where an endpoint is shown."""
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)


class ApiVersion(StrEnum):
    """How the body of a delivery is written."""

    V1 = "v1"


class DisabledReason(StrEnum):
    """Why an endpoint is told nothing."""

    REQUESTED = "requested"
    """Somebody switched it off."""
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """It took nothing for days."""


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    """It is still to be sent, or to be sent again."""
    DELIVERED = "delivered"
    """The endpoint answered with a status from 200 to 299."""
    FAILED = "failed"
    """It was tried for as long as it may be, or its event is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where events are sent to.

    Attributes:
        organization_id: whose it is; it is told of this one's events and of those below it.
        types: which events; empty is all. So are the three lists behind it.
        api_version: how the body is written.
        disabled_reason: why it is not enabled.
        failing_since: the first of the failures since anything was delivered.
        last_event_id: the newest event that was looked at for it.
        waiting: deliveries that are still to be made, counted up to `WAITING_COUNTED`.
    """

    webhook_endpoint_id: str
    organization_id: str
    url: str
    description: str | None
    types: tuple[str, ...]
    station_ids: tuple[str, ...]
    location_ids: tuple[str, ...]
    organization_ids: tuple[str, ...]
    api_version: ApiVersion
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    last_event_id: str
    waiting: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to an endpoint.

    Attributes:
        attempted_at: when it began.
        seconds: until it was answered, or given up.
        status: of the answer, None if there was none.
        error: why it did not count as delivered, in words.
        answer: the beginning of the answer's body, 1 KiB at most.
        retry_after_s: how long the receiver wants to be left alone.
    """

    attempted_at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it."""
        return self.error is None

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants to be told nothing more."""
        return self.status == GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event on its way to one endpoint.

    Attributes:
        event_id: of the event, and the `webhook-id` of every attempt.
        station_id: of the event; deliveries of one station are made one after another.
        attempts: how many there were.
        next_attempt_at: not before then, None if there is to be none.
        finished_at: when it was delivered or given up.
    """

    webhook_delivery_id: str
    webhook_endpoint_id: str
    event_id: str
    type: str
    station_id: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


def error_of(status: int, location: str | None = None) -> str | None:
    """Return why an answer does not count as delivered, None if it does.

    Args:
        status: of the answer.
        location: where it redirects to.
    """
    if status in _SUCCESS:
        return None
    if status in _REDIRECT:
        where = "" if location is None else f" to {location}"
        return (
            f"it redirects{where} ({status}): redirects are not followed, so give the endpoint the "
            "url that answers"
        )
    if status == GONE:
        return "it answers 410: it wants to be told nothing more"
    return f"it answers {status}: only 200 to 299 counts as delivered"


def back_off_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time.

    Args:
        failures: 1 is the first.
        first_s: after that one.
        longest_s: the bound.
    """
    # Powers beyond that have nothing to say, and one day no float holds them.
    return min(first_s * 2.0 ** min(failures - 1, 64), longest_s)


def retry_after_s(header: str | None, *, now: datetime, longest_s: float) -> float | None:
    """Return how long a receiver wants to be left alone (RFC 9110 §10.2.3), None if it says not.

    Args:
        header: `Retry-After`, seconds or a date.
        now: what a date is compared with.
        longest_s: more than that is not granted.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # A number of more digits than this is longer than any bound, and slow to read.
        return longest_s if len(text) > 12 else min(float(text), longest_s)  # noqa: PLR2004
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": no zone is known
        until = until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), longest_s)
