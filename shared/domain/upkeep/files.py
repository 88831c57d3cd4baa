"""Files that stations download from us, such as firmware, or upload to us, such as logs."""

import string
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NAME_MAX_LENGTH = 100
# What every server, file system and HTTP client writes alike, and what needs no quoting in a URL:
# stations' clients are simple, and OCPP gives a location 512 characters (2.0.1 part 2 §2.24).
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._-")


class FilePurpose(StrEnum):
    """What a file is for."""

    FIRMWARE = "firmware"
    LOG = "log"


class FileState(StrEnum):
    """Whether a file's content is there."""

    AWAITED = "awaited"
    """It may still be uploaded."""
    STORED = "stored"
    REMOVED = "removed"
    """It was deleted, or its time was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What is known of a file beside its content.

    `storage_key` is where the content stands in the storage. `expires_at` is when an awaited one
    may not come any more, and when a stored one is removed; None keeps it.
    """

    file_id: str
    purpose: FilePurpose
    name: str
    station_id: str | None
    organization_id: str
    state: FileState
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    storage_key: str | None
    expires_at: datetime | None
    created_at: datetime
    stored_at: datetime | None
    removed_at: datetime | None


def clean_name(name: str, *, otherwise: str) -> str:
    """Return a file's name as it can stand in a URL, a header and a path.

    Args:
        name: whatever a station or an operator calls it, perhaps with folders of either system.
        otherwise: the name if nothing of it is left.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c in _NAME_CHARACTERS else "_" for c in last).lstrip("._")
    if len(kept) > NAME_MAX_LENGTH:
        # The ending says what it is, so the middle goes.
        half = NAME_MAX_LENGTH // 2
        kept = kept[:half] + kept[-half:]
    return kept or otherwise
