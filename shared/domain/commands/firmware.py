"""Updating a station's firmware."""

from dataclasses import dataclass
from typing import ClassVar

from shared.domain.commands.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFirmware(Command):
    """Download firmware and install it (L01, L02; OCPP 1.6 §5.19 and security whitepaper L01).

    Times are written as RFC 3339. With a signing certificate and a signature the station verifies
    the image; OCPP 1.6 has a message of its own for that. `request_id` None makes one.
    """

    repeatable: ClassVar[bool] = False
    location: str
    retrieve_at: str
    install_at: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    signing_certificate: str | None = None
    signature: str | None = None
    request_id: int | None = None
