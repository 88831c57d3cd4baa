"""Meter values as they are exported: the members that a station's list shows, and the station."""

from control.exports.columns import Column, Kind, members

COLUMNS: tuple[Column, ...] = members(
    station_id=Kind.TEXT,
    evse_id=Kind.INTEGER,
    transaction_id=Kind.TEXT,
    sampled_at=Kind.TIME,
    received_at=Kind.TIME,
    energy_wh=Kind.DECIMAL,
    samples=Kind.JSON,
)
