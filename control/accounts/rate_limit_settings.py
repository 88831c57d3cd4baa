"""Settings of how often somebody may call the API."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings


class RateLimitSettings(ServiceSettings):
    """How often somebody may call the API; 0 requests a second is no limit.

    They keep one caller's mistake from being everybody's outage, and are no part of what protects a
    key: those have 256 random bits.
    """

    rate_limit_per_s: NonNegativeFloat = Field(
        default=100.0,
        description="requests of one API key or user; a dashboard that shows ten things and reads "
        "all of them every second needs a tenth of it. 0 is no limit",
    )
    rate_limit_burst: PositiveInt = Field(
        default=1000, description="and how many may come at once, as when a list is imported"
    )
    rate_limit_root_per_s: NonNegativeFloat = Field(
        default=0.0,
        description="requests of one who uses a key of VOLTARO_API_KEYS, all of them together: no "
        "limit, as these are for whoever runs the installation, also while it is in trouble",
    )
    rate_limit_root_burst: PositiveInt = Field(default=1000, description="and at once")
    rate_limit_address_per_s: NonNegativeFloat = Field(
        default=20.0,
        description="requests from one address to what needs no credentials, as signing in; an "
        "office behind one address signs in less often. 0 is no limit",
    )
    rate_limit_address_burst: PositiveInt = Field(
        default=200, description="and at once, as when everybody comes in the morning"
    )
    rate_limit_failures_per_s: NonNegativeFloat = Field(
        default=0.2,
        description="requests from one address whose credentials do not count: more are answered "
        "with 429 in place of 401. A person mistypes now and then; twelve a minute are a program "
        "that guesses, or that was left a key that is revoked. 0 is no limit",
    )
    rate_limit_failures_burst: PositiveInt = Field(default=20, description="and at once")
    rate_limit_timeout_s: PositiveFloat = Field(
        default=0.2,
        le=1.0,
        description="how long Redis may take to count a request, which it does in a fraction of a "
        "millisecond; then the request is let through. A process that is busy itself needs some of "
        "it: it is not to stop counting just then",
    )
    rate_limit_pause_s: PositiveFloat = Field(
        default=1.0,
        description="for so long nothing is counted after Redis did not answer: one request in "
        "that time asks whether it is back",
    )
