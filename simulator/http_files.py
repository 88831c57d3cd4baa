"""Files over HTTP and HTTPS, as stations download and upload them."""

from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx

from simulator.transfers import TransferResult, TransferStatus

_SCHEMES = frozenset({"http", "https"})
#: A server that takes no PUT may take a POST.
_NO_SUCH_METHOD = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFiles:
    """Downloads and uploads, one connection for each.

    Attributes:
        timeout_s: For connecting, and for every pause of the other side.
        max_bytes: Of a download; a larger file counts as failed.
        ssl: For `https:`; None takes the usual certificates.
    """

    timeout_s: float = 30.0
    max_bytes: int = 256 * 2**20
    ssl: SSLContext | None = None

    async def download(self, url: str) -> TransferResult:
        """Fetch a file with GET."""
        if problem := _unsupported(url):
            return problem
        content = bytearray()
        try:
            async with self._client() as client, client.stream("GET", url) as response:
                if not response.is_success:
                    return _refused(response)
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > self.max_bytes:
                        return _failed(f"the file is larger than {self.max_bytes} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return _failed(str(error) or type(error).__name__)
        return TransferResult(TransferStatus.DONE, bytes(content))

    async def upload(self, url: str, content: bytes) -> TransferResult:
        """Hand a file over as the body of a PUT, or of a POST where PUT is not taken."""
        if problem := _unsupported(url):
            return problem
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        try:
            async with self._client() as client:
                response = await client.put(url, content=content, headers=headers)
                if response.status_code in _NO_SUCH_METHOD:
                    response = await client.post(url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return _failed(str(error) or type(error).__name__)
        return TransferResult(TransferStatus.DONE) if response.is_success else _refused(response)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=self.timeout_s,
            follow_redirects=True,
            verify=self.ssl or True,
            # A station goes its own way, whatever proxy the shell has set.
            trust_env=False,
        )


def _unsupported(url: str) -> TransferResult | None:
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        return _failed(str(error))
    if scheme in _SCHEMES:
        return None
    return TransferResult(
        TransferStatus.UNSUPPORTED, problem=f"{scheme or 'no scheme'}: only HTTP and HTTPS"
    )


def _failed(problem: str) -> TransferResult:
    return TransferResult(TransferStatus.FAILED, problem=problem)


def _refused(response: httpx.Response) -> TransferResult:
    if response.status_code in _DENIED:
        status = TransferStatus.DENIED
    elif response.is_client_error:
        status = TransferStatus.REFUSED
    else:
        status = TransferStatus.FAILED
    return TransferResult(status, problem=f"HTTP {response.status_code}")
