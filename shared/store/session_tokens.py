"""Whose a session is: the type of its token stands in what its station told of it."""

TYPE_TOLD = """
    (SELECT event.id_token_type FROM transaction_events AS event
     WHERE event.station_id = {session}.station_id
       AND event.transaction_id = {session}.transaction_id
       AND event.id_token_type IS NOT NULL AND lower(event.id_token) = lower({session}.id_token)
     ORDER BY event.seq_no LIMIT 1)
"""
"""The type of the token of a session of OCPP 2.0.1; NULL in 1.6, which tells none."""
