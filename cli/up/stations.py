"""The simulated stations' accounts, made through the API as an operator would make them."""

import asyncio
from http import HTTPStatus

import httpx

from cli.up.errors import UpError
from shared.telemetry.errors import describe_error

ID_TOKEN = "SIM-TOKEN"  # noqa: S105 - an RFID card's number, no secret
_TIMEOUT_S = 10.0
_PARALLEL_REQUESTS = 8


def station_ids(count: int) -> list[str]:
    """Return the ids of the simulated stations, as `voltaro sim` names them."""
    return [f"SIM-{number}" for number in range(1, count + 1)]


async def register(http_url: str, api_key: str, station_count: int, password: str) -> None:
    """Make the simulated stations and the token they charge with known; those that are stay.

    Args:
        http_url: Where the control plane listens.
        api_key: One of its keys.
        station_count: How many stations.
        password: Of every one of them (security profile 1).

    Raises:
        UpError: The API refused, or did not answer.
    """
    limit = asyncio.Semaphore(_PARALLEL_REQUESTS)
    headers = {"Authorization": f"Bearer {api_key}"}
    # Proxies of the user's environment have no business between two processes of one machine.
    async with httpx.AsyncClient(
        base_url=http_url, headers=headers, timeout=_TIMEOUT_S, trust_env=False
    ) as client:

        async def create(path: str, body: dict[str, object]) -> None:
            async with limit:
                try:
                    response = await client.post(path, json=body)
                except httpx.HTTPError as error:
                    raise UpError(
                        f"The control plane does not answer POST {path}: {describe_error(error)}. "
                        "Its log says why: control.log."
                    ) from error
            # Conflict: made at an earlier start.
            if response.status_code not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
                raise UpError(
                    f"The control plane refused POST {path} with {response.status_code}: "
                    f"{response.text}"
                )

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(create("/v1/id-tokens", {"id_token": ID_TOKEN, "status": "Accepted"}))
            for station_id in station_ids(station_count):
                body: dict[str, object] = {
                    "station_id": station_id,
                    "name": f"Simulated station {station_id}",
                    "security_profile": 1,
                    "password": password,
                }
                tasks.create_task(create("/v1/stations", body))
