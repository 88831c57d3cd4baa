"""Forgets what has ended of accounts: sessions, links, and tries to sign in."""

from shared.store.accounts import account_links, login_attempts, user_sessions
from shared.store.pool import Database

_DAY_S = 86_400.0


async def forget_ended(db: Database, *, known_address_days: int) -> int:
    """Remove rows that count no more; return how many.

    Args:
        db: where they are.
        known_address_days: how long an address is known where somebody has signed in.
    """
    return (
        await user_sessions.sweep_ended(db)
        + await account_links.sweep_expired(db)
        + await login_attempts.sweep(db, forget_s=_DAY_S, known_s=known_address_days * _DAY_S)
    )
