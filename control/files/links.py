"""Signed URLs: who holds one may do one thing with one file until it expires, without an API key.

The signature is an HMAC-SHA256 over what it allows, the path and the time. Nothing is kept for it.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_SIGNATURE_LENGTH = 64
_EXPIRES_MAX_DIGITS = 12


class LinkError(Exception):
    """A URL that allows nothing; `str()` of it says why, for the person who looks into it."""


class Allows(StrEnum):
    """What a URL is for."""

    DOWNLOAD = "GET"
    UPLOAD = "PUT"


@dataclass(frozen=True, slots=True)
class Link:
    """A URL, and until when it works."""

    url: str
    expires_at: datetime


class Links:
    """Makes and checks URLs.

    Args:
        public_url: where we are reached, without a slash at the end.
        key: the secret behind the signatures.
    """

    def __init__(self, public_url: str, key: str) -> None:
        self.public_url = public_url
        self._key = key.encode()

    def make(self, allows: Allows, file_id: str, name: str, expires_at: datetime) -> Link:
        """Return the URL that allows something with a file.

        Args:
            allows: what.
            file_id: the file.
            name: last segment of the path, as some stations name the file they load by it. It must
                need no quoting.
            expires_at: cut to whole seconds.
        """
        expires = int(expires_at.timestamp())
        path = f"/files/{file_id}/{name}"
        url = (
            f"{self.public_url}{path}?expires={expires}&signature="
            f"{self._sign(allows, path, expires)}"
        )
        return Link(url, datetime.fromtimestamp(expires, UTC))

    def check(
        self,
        allows: Allows,
        *,
        file_id: str,
        name: str,
        expires: str,
        signature: str,
        now: datetime,
    ) -> None:
        """Return if a request has a URL that allows it.

        OCPP 1.6 calls the location of a log a directory (§6.25), so that some stations append a
        slash and the name of their file, to the URL as it stands. What follows the signature is
        not looked at.

        Raises:
            LinkError: it was not made by us for this, or its time is over.
        """
        if not (expires.isascii() and expires.isdigit() and len(expires) <= _EXPIRES_MAX_DIGITS):
            raise LinkError("the URL is not complete: `expires` is missing or no time")
        given, appended = signature[:_SIGNATURE_LENGTH], signature[_SIGNATURE_LENGTH:]
        right = self._sign(allows, f"/files/{file_id}/{name}", int(expires))
        if (
            (appended and not appended.startswith("/"))
            or not given.isascii()
            or not hmac.compare_digest(given, right)
        ):
            raise LinkError(
                "the URL is not complete, was changed, or is for something else: its signature "
                "does not fit"
            )
        if int(expires) <= now.timestamp():
            raise LinkError("the URL has expired: ask for a new one")

    def _sign(self, allows: Allows, path: str, expires: int) -> str:
        text = f"{allows}\n{path}\n{expires}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
