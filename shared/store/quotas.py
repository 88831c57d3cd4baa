"""How many rows of a kind one station may have; each writer counts them in its own statement."""

from dataclasses import dataclass

BEYOND_QUOTA = "beyond quota"
"""What a writer returns for a fact of which something was not kept, because its station has too
much of the kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuotas:
    """The most rows that one station has; what is there already is always brought up to date.

    The defaults are those of the gateway's settings, which argue them.
    """

    connectors: int = 512
    variables: int = 20_000
    configuration_keys: int = 2000
    refused_calls: int = 1000
    refused_call_bytes: int = 16 * 1024 * 1024
