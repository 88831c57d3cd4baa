"""What a session's row says of the bill that was made of it, or can be."""

import asyncpg

from shared.domain.sessions import Bill, ReviewDecision, TransactionIdIssuer, is_certain


def read_bill(row: asyncpg.Record) -> Bill | None:
    """Return what could be billed first; None if nothing could so far.

    Code from before bills were kept has not written it: what the session showed last counts then.
    """
    if row["bill_at"] is not None:
        return Bill(
            id_token=row["bill_id_token"],
            energy_wh=row["bill_energy_wh"],
            started_at=row["bill_started_at"],
            ended_at=row["bill_ended_at"],
        )
    found = read_found(row)
    anonymous = row["id_token"] is None and row["authorization_status"] is None
    void = row["review_decision"] == ReviewDecision.VOID
    return None if anonymous or void or row["needs_review"] or found.energy_wh is None else found


def read_found(row: asyncpg.Record) -> Bill:
    """Return what the last settlement came to; in 2.0.1 a later event may have moved its end."""
    return Bill(
        id_token=None if row["at_free_location"] else row["id_token"],
        energy_wh=row["reviewed_energy_wh"] if row["corrects_energy"] else row["energy_wh"],
        started_at=row["started_at"],
        ended_at=row["reviewed_ended_at"] if row["corrects_end"] else row["ended_at"],
    )


def tells_register(row: asyncpg.Record, which: str) -> bool:
    """Tell whether `meter_start` or `meter_stop` was told as the register at the start or end.

    In OCPP 1.6 it is a member of the message; in 2.0.1 another sample may stand for it in the row.
    """
    issuer = row["transaction_id_issuer"]
    return issuer == TransactionIdIssuer.CSMS or is_certain(row[f"{which}_rank"])
