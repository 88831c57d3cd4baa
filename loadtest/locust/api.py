"""The control plane's API, as the load test uses it: blocking, bounded in time and number."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import httpx

from shared.telemetry.errors import describe_error

#: How stations of a load test are told from others.
STATION_NAME = "load test"

_PARALLEL_REQUESTS = 8
#: Longer than any command of ours waits.
TIMEOUT_S = 60.0


class ApiError(Exception):
    """The API refused something or did not answer; the message says what, and what to do."""


class Api:
    """A client; a context manager.

    Args:
        url: Where the control plane listens.
        key: One of its keys.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        limits = httpx.Limits(max_connections=4 * _PARALLEL_REQUESTS)
        # Proxies of the user's environment have no business between us and a system under test.
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            limits=limits,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def command(self, station_id: str, body: dict[str, Any]) -> httpx.Response:
        """Send a command to a station.

        Raises:
            httpx.HTTPError: There was no answer.
        """
        return self._client.post(f"/v1/stations/{station_id}/commands", json=body)

    def register(self, station_ids: Iterable[str], *, password: str, id_token: str) -> None:
        """Make stations and the token of their drivers known; what is there already may stay.

        Args:
            station_ids: The stations. Those of an earlier load test get the new password.
            password: Of every one of them (security profile 1).
            id_token: What drivers present.

        Raises:
            ApiError: It could not be done, or a station or the token belongs to somebody else.
        """
        self._register_token(id_token)
        self._in_parallel(lambda each: self._register_station(each, password), station_ids)

    def _register_token(self, id_token: str) -> None:
        created = self._request("POST", "/v1/id-tokens", json={"id_token": id_token})
        if created.status_code == HTTPStatus.CREATED:
            return
        _expect(created, HTTPStatus.CONFLICT)
        known = self._request("GET", f"/v1/id-tokens/{quote(id_token, safe='')}")
        _expect(known, HTTPStatus.OK)
        status = known.json()["status"]
        if status != "Accepted":
            raise ApiError(
                f"the id token {id_token} is known and {status}, so nobody could charge with it: "
                "name another one with --id-token"
            )

    def _register_station(self, station_id: str, password: str) -> None:
        body = {"station_id": station_id, "name": STATION_NAME, "password": password}
        created = self._request("POST", "/v1/stations", json=body)
        if created.status_code == HTTPStatus.CREATED:
            return
        _expect(created, HTTPStatus.CONFLICT)
        path = f"/v1/stations/{station_id}"
        known = self._request("GET", path)
        _expect(known, HTTPStatus.OK)
        if known.json()["name"] != STATION_NAME:
            # A real one, whose password must not change and whose place must not be taken.
            raise ApiError(
                f"the station {station_id} is known and was not made by a load test: "
                "name another --station-prefix"
            )
        _expect(self._request("PATCH", path, json={"password": password}), HTTPStatus.OK)

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
        try:
            return self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ApiError(
                f"the API at {self.url} does not answer {method} {path} ({describe_error(error)}): "
                "does the control plane run, and is --api-url right?"
            ) from error

    @staticmethod
    def _in_parallel(work: Callable[[str], None], items: Iterable[str]) -> None:
        """Do something for every item, a few at a time, and stop at the first error."""
        with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
            tasks = [pool.submit(work, item) for item in items]
            try:
                for task in tasks:
                    task.result()
            finally:
                pool.shutdown(cancel_futures=True)


def _expect(response: httpx.Response, status: HTTPStatus) -> None:
    if response.status_code == status:
        return
    hint = {
        HTTPStatus.UNAUTHORIZED: ": is --api-key one of VOLTARO_API_KEYS?",
        HTTPStatus.NOT_FOUND: ": is --api-url the control plane's?",
    }.get(HTTPStatus(response.status_code), "")
    request = response.request
    raise ApiError(
        f"the API refused {request.method} {request.url} with {response.status_code}{hint} "
        f"{response.text}"
    )
