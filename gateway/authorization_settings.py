"""How a pod decides who may charge, and what is kept of its decisions."""

from enum import StrEnum

from pydantic import AnyHttpUrl, Field, PositiveFloat, PositiveInt, SecretStr

from shared.settings import ServiceSettings


class AuthorizationFailurePolicy(StrEnum):
    """What is answered when the external authorization API gives no answer."""

    DENY = "deny"
    ACCEPT = "accept"
    CACHED = "cached"


class AuthorizationSettings(ServiceSettings):
    """Where decisions come from, what is remembered for them, and how they are kept."""

    authorization_cache_size: PositiveInt = Field(
        default=50_000,
        description="tokens remembered in the process, and as many groups; about 1 kB each",
    )
    authorization_cache_ttl_s: PositiveFloat = Field(
        default=60.0,
        description="how long a token is remembered in the process. Changes are told at once; this "
        "is how long a pod goes by the old if that word was lost",
    )
    authorization_shared_cache_ttl_s: PositiveFloat = Field(
        default=300.0, description="likewise in Redis, for all pods"
    )
    authorization_url: AnyHttpUrl | None = Field(
        default=None,
        description="an API of your own that decides who may charge, instead of the tokens kept "
        "here; see docs/how-to/external-authorization.md",
    )
    authorization_bearer_token: SecretStr | None = Field(
        default=None, description="sent to that API as `Authorization: Bearer …`"
    )
    authorization_timeout_s: PositiveFloat = Field(
        default=5.0,
        le=20.0,
        description="how long that API may take: a driver waits beside the station, which itself "
        "gives up after about 30 s",
    )
    authorization_failure_policy: AuthorizationFailurePolicy = Field(
        default=AuthorizationFailurePolicy.CACHED,
        description="what counts when that API gives no answer: `deny`; `accept`; `cached`, which "
        "is its last answer for the token, and deny if there is none",
    )
    authorization_answer_validity_s: PositiveFloat = Field(
        default=86_400.0, description="how long its last answer may stand in under `cached`"
    )
    authorization_max_requests: PositiveInt = Field(
        default=64, description="requests to that API at the same time; more wait for their turn"
    )
    authorization_retry_interval_s: PositiveFloat = Field(
        default=10.0,
        description="after 5 failures in a row that API is asked again only so often, so that "
        "drivers do not wait for it in vain",
    )
    authorizations_kept: bool = Field(
        default=True,
        description="whether each decision about a token is kept, so that it can be told why a "
        "driver was refused. It costs a pod about 6 µs per decision, the writing of a row, and "
        "some 350 bytes on disk",
    )
    authorizations_interval_s: PositiveFloat = Field(
        default=1.0,
        description="how often decisions are written; a crash may cost what waits for it",
    )
    authorizations_max_waiting: PositiveInt = Field(
        default=20_000,
        description="decisions that are not written yet, of less than a kilobyte each: 20 s of a "
        "pod that answers 1,000 in a second. More are dropped and counted",
    )
