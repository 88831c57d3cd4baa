"""Settings of API keys, users and their sessions."""

from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from control.accounts.encryption import EncryptionSettings
from control.accounts.mail_settings import MailSettings


class AccountSettings(EncryptionSettings, MailSettings):
    """How people and programs prove who they are, and for how long.

    People choose their passwords, so that a hash of one costs much: 64 MiB and three passes, the
    second of the two that RFC 9106 §4 recommends, with one lane, as two threads hash at a time.
    """

    credentials_memory_s: PositiveFloat = Field(
        default=5.0,
        le=60.0,
        description="how long an API process remembers an API key or a session that it has looked "
        "up, however busy it is: so much later at most it counts on every pod that one was revoked "
        "or may do less, or its user. It costs Postgres one small statement in that time",
    )
    credentials_max_remembered: PositiveInt = Field(
        default=10_000, description="API keys and sessions that are remembered, each about 1 kB"
    )
    last_used_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often is written down when API keys and sessions were used last, "
        "in one statement for all",
    )

    user_session_idle_timeout_s: PositiveFloat = Field(
        default=3600.0,
        description="a session that nobody uses ends after that; longer than last_used_interval_s, "
        "after which every process knows of a use. A dashboard that is open uses its own",
    )
    user_session_max_age_s: PositiveFloat = Field(
        default=43_200.0,
        description="and any session after that: a day of work, so that what was stolen in the "
        "evening is of no use in the morning",
    )
    session_cookie_secure: bool = Field(
        default=False,
        description="mark the cookie as one for HTTPS alone, whatever a request came by: for a "
        "load balancer that takes TLS off and does not say so (X-Forwarded-Proto, with "
        "http_trusted_proxies)",
    )
    http_trusted_proxies: str = Field(
        default="",
        description="comma separated addresses and networks of load balancers, such as "
        "`10.0.0.0/8`: of these X-Forwarded-For and X-Forwarded-Proto are believed, so that "
        "guesses are counted by the address they came from and the cookie is marked as secure",
    )

    user_password_hash_time_cost: PositiveInt = Field(default=3, description="Argon2id passes")
    user_password_hash_memory_kib: int = Field(
        default=65_536, ge=8, description="Argon2id memory, twice at the same time"
    )
    user_password_hash_parallelism: PositiveInt = Field(default=1, description="Argon2id lanes")
    user_password_max_waiting: PositiveInt = Field(
        default=50,
        description="passwords that wait to be hashed, at 100 to 200 ms each; one more gets 503",
    )
    login_free_tries: PositiveInt = Field(
        default=5,
        description="wrong passwords or codes for one account from one address that cost nothing; "
        "each one more doubles the wait for the next try, from a second on",
    )
    login_free_tries_of_account: PositiveInt = Field(
        default=20,
        description="and for one account from addresses where its owner was never right: those "
        "where they were, and a link to set a password, are not held up by it",
    )
    login_free_tries_of_address: PositiveInt = Field(
        default=50, description="and from one address (of IPv6: a /64) for all accounts together"
    )
    login_max_wait_s: PositiveFloat = Field(
        default=900.0, description="the longest wait for the next try"
    )
    login_forget_s: PositiveFloat = Field(
        default=3600.0, description="after such a pause all tries are free again"
    )

    link_lifetime_s: PositiveFloat = Field(
        default=3600.0, description="how long a link to set a new password works"
    )
    invitation_lifetime_s: PositiveFloat = Field(
        default=604_800.0, description="and one that invites somebody"
    )
    link_pause_s: PositiveFloat = Field(
        default=600.0,
        description="whoever asks for a link sooner gets no second mail; the first goes on working",
    )

    @model_validator(mode="after")
    def _check_idle_timeout(self) -> Self:
        if self.user_session_idle_timeout_s <= self.last_used_interval_s:
            raise ValueError(
                "VOLTARO_USER_SESSION_IDLE_TIMEOUT_S is not longer than "
                "VOLTARO_LAST_USED_INTERVAL_S: sessions in use would end"
            )
        return self
