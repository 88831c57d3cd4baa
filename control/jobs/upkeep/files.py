"""Removes files whose time is over."""

import structlog

from control.files.service import remove_content
from control.files.storage import Storage
from control.files.uploads import remove_dead
from control.jobs.periodic import each_by_itself
from shared.store.pool import Database
from shared.store.upkeep import files

log = structlog.get_logger()


async def remove_expired(db: Database, storage: Storage, *, limit: int) -> int:
    """Remove the content of expired files and of dead uploads; return how many files there were.

    Raises:
        UnavailableError: the storage is away; the next run goes on.
    """
    await remove_dead(db, storage, limit=limit)

    async def remove(file_id: str) -> bool:
        await remove_content(db, storage, file_id)
        return True

    expired = await files.list_expired(db, limit=limit)
    removed = await each_by_itself(db, "expired_files", expired, remove)
    if removed:
        log.info("expired files were removed", files=removed)
    return removed
