"""Questions to running servers on this machine, with a short patience."""

import http.client
import json
from urllib.parse import urlsplit

_TIMEOUT_S = 1.0


def is_ready(management_url: str) -> bool:
    """Say whether a process that answers `/readyz` is ready."""
    return _get(f"{management_url}/readyz") is not None


def has_station_online(http_url: str, api_key: str) -> bool:
    """Say whether the control plane knows of a station that is connected."""
    body = _get(f"{http_url}/v1/stations?online=true&limit=1", api_key)
    return body is not None and bool(json.loads(body)["items"])


def _get(url: str, api_key: str | None = None) -> bytes | None:
    """Return the body of an answer with status 200, else None."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=_TIMEOUT_S
    )
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        connection.request("GET", url.removeprefix(f"http://{address.netloc}"), headers=headers)
        response = connection.getresponse()
        return response.read() if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
