"""What of the OCPP log is asked for."""

from shared.domain.stations.ocpp_log import Direction, LogFilter


def test_only_what_was_asked_for_is_compared() -> None:
    assert LogFilter().conditions() == {}
    assert LogFilter(contains="x", outcome="error").conditions() == {}
    direction = next(iter(Direction))
    asked = LogFilter(station_id="CP-1", action="Reset", direction=direction, message_id="7")
    assert asked.conditions() == {
        "station_id": "CP-1",
        "action": "Reset",
        "direction": direction,
        "message_id": "7",
    }
    assert LogFilter(action="Reset").conditions() == {"action": "Reset"}
