"""A charge of 2000 Wh in an hour as transcripts, and what the API shows of it."""

from typing import Any

from tests.integration.control.players import Api

START = (
    '{"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-02T03:00:00Z"}'
)
STARTED = f"""
    > StartTransaction {START}
    < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
"""
STOPPED_AT = "2026-01-02T04:00:00Z"
STOPPED = """
    > StopTransaction {"transactionId": "$id", "meterStop": 3000,
        "timestamp": "2026-01-02T04:00:00Z"}
    < {}
"""


def shown(transaction_id: str, *registers: tuple[str, int]) -> str:
    """Return MeterValues of (time of day, register in Wh) pairs, and its answer."""
    values = ", ".join(
        f'{{"timestamp": "2026-01-02T{time}Z", "sampledValue": [{{"value": "{wh}"}}]}}'
        for time, wh in registers
    )
    return f"""
    > MeterValues {{"connectorId": 1, "transactionId": {transaction_id}, "meterValue": [{values}]}}
    < {{}}
    """


async def sessions(api: Api) -> list[dict[str, Any]]:
    """Return all sessions, the newest first."""
    found: list[dict[str, Any]] = (await api.client.get("/v1/sessions")).json()["items"]
    return found


async def the_session(api: Api) -> dict[str, Any]:
    (session,) = await sessions(api)
    return session


async def details(api: Api, part: str = "") -> Any:
    """Return the only session as it is shown by itself, or a part of it."""
    session = await the_session(api)
    return (await api.client.get(f"/v1/sessions/{session['session_id']}{part}")).json()


async def dead_letters(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.client.get("/v1/dead-letters")).json()["items"]
    return found
