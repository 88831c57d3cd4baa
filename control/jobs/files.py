"""Removes files whose time is over."""

import structlog

from control.files.service import remove_content
from control.files.storage import Storage
from shared.store import files
from shared.store.pool import Database

log = structlog.get_logger()


async def remove_expired(db: Database, storage: Storage, *, limit: int) -> int:
    """Remove the content of expired files; return how many there were.

    Raises:
        UnavailableError: the storage is away; the next run goes on.
    """
    expired = await files.list_expired(db, limit=limit)
    for file_id in expired:
        await remove_content(db, storage, file_id)
    if expired:
        log.info("expired files were removed", files=len(expired))
    return len(expired)
