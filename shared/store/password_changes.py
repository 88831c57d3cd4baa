"""New passwords on their way to stations: the new one and the one before both count meanwhile.

A station is locked out if it uses a password that we do not take. So the new one counts from the
moment in which its command is taken for sending, whatever becomes of the answer, until the station
refuses it; the one before counts until the new one was used. The parts of statements here belong to
those that take a command, end it, and claim a station.
"""

SENDABLE = """
    (commands.password_hash IS NULL OR stations.new_password_hash IS NULL
     OR stations.new_password_accepted_at IS NOT NULL
     OR stations.new_password_sent_at < stations.connected_at)
"""
"""A further password waits while the outcome of one sent on this connection is unknown: three
would have to count. What the station uses is known when it comes back."""

NOTED = """
    noted AS (
        UPDATE stations
        SET password_hash = CASE WHEN new_password_accepted_at IS NULL
                                   OR new_password_hash IS NULL THEN stations.password_hash
                                 ELSE new_password_hash END,
            new_password_hash = taken.password_hash, new_password_sent_at = now(),
            new_password_command_id = taken.command_id::uuid, new_password_accepted_at = NULL
        FROM taken
        WHERE taken.password_hash IS NOT NULL AND stations.station_id = taken.station_id
    )
"""
"""Behind `taken (command_id, station_id, password_hash)`: the new password counts from now on, and
beside it the latest one that the station has accepted."""

SETTLED = """
    settled AS (
        UPDATE stations
        SET new_password_hash = CASE WHEN ended.state = 'accepted' THEN new_password_hash END,
            new_password_accepted_at = CASE WHEN ended.state = 'accepted' THEN now() END
        FROM ended
        WHERE ended.state IN ('accepted', 'rejected', 'failed', 'expired')
          AND stations.station_id = ended.station_id
          AND stations.new_password_command_id = ended.command_id
          AND new_password_hash IS NOT NULL
    )
"""
"""Behind `ended (command_id, station_id, state)`: accepted, or refused and forgotten."""

USED = """
    password_hash = CASE WHEN claim.proven_hash = stations.new_password_hash
                         THEN stations.new_password_hash ELSE stations.password_hash END,
    new_password_hash = CASE WHEN claim.proven_hash = stations.new_password_hash
                             THEN NULL ELSE stations.new_password_hash END
"""
"""Assignments beside `claim (proven_hash)`: once the new one was used, only it counts."""

FORGOTTEN = "new_password_hash = NULL"
"""Assignment of an operator's own change: neither of the two counts any more."""
