"""Files in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from control.api.accounts.organizations_schemas import OwnerId
from control.api.types import RequestBody, schema_of_changes
from control.files.links import Link
from shared.domain.upkeep import files as domain
from shared.domain.upkeep.files import FilePurpose, FileState

_EXAMPLE: dict[str, Any] = {
    "file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "purpose": "firmware",
    "name": "cs-2.4.1.bin",
    "station_id": None,
    "organization_id": "default",
    "state": "stored",
    "content_type": "application/octet-stream",
    "size_bytes": 18874368,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "expires_at": None,
    "created_at": "2025-06-01T09:00:00Z",
    "stored_at": "2025-06-01T09:00:02Z",
    "download_url": "https://api.example.com/files/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11/"
    "cs-2.4.1.bin?expires=1748772000&signature=5f1c...",
    "download_url_expires_at": "2025-06-01T10:00:00Z",
}


class FileUpdate(RequestBody):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=schema_of_changes({"organization_id": "site-host-7"})
    )

    organization_id: OwnerId = ""


class File(BaseModel):
    """A file: firmware that stations fetch, or a log that one has brought."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    file_id: str
    purpose: FilePurpose
    name: str
    station_id: str | None = Field(description="whose log it is")
    organization_id: str
    state: FileState
    content_type: str | None
    size_bytes: int | None
    sha256: str | None = Field(description="SHA-256 of the content, hexadecimal")
    expires_at: datetime | None = Field(description="when it is removed; null keeps it")
    created_at: datetime
    stored_at: datetime | None
    download_url: str | None = Field(
        description="works without an API key until `download_url_expires_at`; null while there is "
        "no content"
    )
    download_url_expires_at: datetime | None

    @classmethod
    def of(cls, file: domain.File, link: Link | None) -> Self:
        """Return a file as it is answered."""
        return cls(
            file_id=file.file_id,
            purpose=file.purpose,
            name=file.name,
            station_id=file.station_id,
            organization_id=file.organization_id,
            state=file.state,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            expires_at=file.expires_at,
            created_at=file.created_at,
            stored_at=file.stored_at,
            download_url=None if link is None else link.url,
            download_url_expires_at=None if link is None else link.expires_at,
        )
