"""Keeping facts that cannot be kept where they belong, for a person to look at."""

from collections.abc import Iterable
from typing import Protocol

from shared.store.fingerprints import fingerprint
from shared.store.pool import Connection, Database


class AnyFact(Protocol):
    """What every fact has."""

    @property
    def station_id(self) -> str:
        """Whose it is."""


async def insert(db: "Database | Connection", letters: Iterable[tuple[AnyFact, str]]) -> None:
    """Keep facts, each with the reason why it is here; the same fact again is kept once."""
    rows = []
    for fact, reason in letters:
        # ASCII with escapes, so that not even a NUL or half a surrogate pair is refused again.
        encoded = ascii(fact)
        rows.append(
            (
                ascii(fact.station_id)[1:-1],
                type(fact).__name__,
                ascii(reason)[1:-1],
                encoded,
                fingerprint(encoded.encode()),
            )
        )
    await db.executemany(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
        """,
        rows,
    )
