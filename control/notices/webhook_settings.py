"""Settings of webhooks: the API checks URLs by them, the worker sends."""

from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from control.notices.addresses import Network, read_networks
from shared.settings import ServiceSettings


class WebhookUrlSettings(ServiceSettings):
    """Where webhook endpoints may be; the same for the control plane and the worker."""

    webhook_allowed_networks: str = Field(
        default="",
        description="comma separated networks, such as `10.1.0.0/16, fd00:1::/64`, in which "
        "webhook endpoints may be although they are private, loopback, link-local or otherwise "
        "special. Whoever may make an endpoint reaches every port there with a POST. The same for "
        "the control plane and the worker",
    )
    webhook_allow_http: bool = Field(
        default=False,
        description="whether a url of an endpoint may be http: everybody on the way reads what is "
        "sent. The same for the control plane and the worker",
    )

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        read_networks(text)
        return text

    @property
    def allowed_networks(self) -> tuple[Network, ...]:
        """`webhook_allowed_networks`, read."""
        return read_networks(self.webhook_allowed_networks)


class WebhookSendSettings(WebhookUrlSettings):
    """How the worker sends to webhook endpoints."""

    webhook_interval_s: PositiveFloat = Field(
        default=0.5,
        description="how often is looked for events that webhook endpoints are to be told of, and "
        "for deliveries that are due",
    )
    webhook_timeout_s: PositiveFloat = Field(
        default=15.0,
        description="one request to an endpoint, from the look-up of its name to the end of its "
        "answer; Standard Webhooks advises 15 to 30 s. A receiver answers first and works later",
    )
    webhook_lease_s: PositiveFloat = Field(
        default=45.0,
        description="for so long no other worker serves an endpoint that one has taken; renewed "
        "while it is served, so that the endpoints of a killed worker wait no longer than this",
    )
    webhook_concurrency: PositiveInt = Field(
        default=8,
        description="requests to one endpoint at the same time; those of one station go one after "
        "another. 8 at 100 ms are 80 events a second",
    )
    webhook_max_endpoints: PositiveInt = Field(
        default=200,
        description="endpoints that one worker serves at the same time; others wait for their turn",
    )
    webhook_turn_s: PositiveFloat = Field(
        default=20.0,
        description="after so long an endpoint is given back, so that others get a turn, and "
        "another worker a part of the work",
    )
    webhook_retry_first_s: PositiveFloat = Field(
        default=5.0,
        description="after so long a delivery that failed is tried again; each time twice as long, "
        "with a fifth more or less",
    )
    webhook_retry_longest_s: PositiveFloat = Field(
        default=600.0,
        description="but never longer: so soon is noticed that an endpoint works again. 430 "
        "requests in three days",
    )
    webhook_retry_for_s: PositiveFloat = Field(
        default=259_200.0,
        description="how long after its first attempt a delivery is tried: three days, a weekend "
        "and the morning after it",
    )
    webhook_retry_after_longest_s: PositiveFloat = Field(
        default=3600.0, description="what a receiver may ask for with Retry-After at most"
    )
    webhook_down_after_failures: PositiveInt = Field(
        default=5,
        description="after so many failures in a row an endpoint counts as down: one delivery at a "
        "time is tried then, and no further events are taken in behind webhook_max_waiting_down",
    )
    webhook_disable_after_s: PositiveFloat = Field(
        default=259_200.0,
        description="an endpoint that took nothing for so long is switched off, and the "
        "administrators of its organization are told. What waits is kept, and sent when it is "
        "switched on again. Not longer than webhook_retry_for_s, or deliveries are given up before",
    )
    webhook_max_waiting: PositiveInt = Field(
        default=100_000,
        description="deliveries that wait for one endpoint; further events are taken in when there "
        "are fewer, as long as they are kept",
    )
    webhook_max_waiting_down: PositiveInt = Field(
        default=1000, description="the same of an endpoint that is down"
    )
    webhook_batch: PositiveInt = Field(
        default=500, description="events that are taken in for one endpoint in one step"
    )
    webhook_retention_days: PositiveInt = Field(
        default=7,
        description="days that deliveries and their attempts are kept once they are finished. "
        "1,000 stations with one event a minute and two endpoints make 20 million in that time, "
        "about 16 GB",
    )
    webhook_retention_interval_s: PositiveFloat = Field(
        default=60.0, description="how often older ones are removed"
    )

    @model_validator(mode="after")
    def _check_webhook_times(self) -> Self:
        if self.webhook_lease_s < 2 * self.webhook_timeout_s:
            raise ValueError(
                "VOLTARO_WEBHOOK_LEASE_S is less than twice VOLTARO_WEBHOOK_TIMEOUT_S: a lease has "
                "to outlast the request that was begun with it"
            )
        if self.webhook_disable_after_s > self.webhook_retry_for_s:
            raise ValueError(
                "VOLTARO_WEBHOOK_DISABLE_AFTER_S is longer than VOLTARO_WEBHOOK_RETRY_FOR_S: "
                "deliveries would be given up one by one before the endpoint is switched off"
            )
        return self
