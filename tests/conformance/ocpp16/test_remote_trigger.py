"""The Remote Trigger profile of OCPP 1.6 (§5.17), and its extension by the security whitepaper."""

import pytest

from tests.conformance.ocpp16.coverage import covers, to_station
from tests.support.transcript import Play


@covers(to_station("TriggerMessage"))
async def test_a_station_is_made_to_say_something_again(play: Play) -> None:
    await play("""
        ! TriggerMessage {"requested_message": "StatusNotification", "evse_id": 1}
        < TriggerMessage {"requestedMessage": "StatusNotification", "connectorId": 1}
        > {"status": "Accepted"}
        = accepted
        > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        < {}
    """)


@covers(to_station("TriggerMessage"))
@pytest.mark.parametrize(
    "message",
    [
        "BootNotification",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
    ],
)
async def test_every_other_message_that_can_be_triggered_is(play: Play, message: str) -> None:
    await play(f"""
        ! TriggerMessage {{"requested_message": "{message}"}}
        < TriggerMessage {{"requestedMessage": "{message}"}}
        > {{"status": "Accepted"}}
        = accepted
    """)


@covers(to_station("ExtendedTriggerMessage"))
@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("LogStatusNotification", "LogStatusNotification"),
        ("SignedFirmwareStatusNotification", "FirmwareStatusNotification"),
        ("SignChargingStationCertificate", "SignChargePointCertificate"),
    ],
)
async def test_what_the_first_edition_has_no_word_for_is_triggered_by_the_extension(
    play: Play, asked: str, sent: str
) -> None:
    """Whitepaper §6.16."""
    await play(f"""
        ! TriggerMessage {{"requested_message": "{asked}"}}
        < ExtendedTriggerMessage {{"requestedMessage": "{sent}"}}
        > {{"status": "Accepted"}}
        = accepted {{"status": "Accepted"}}
    """)


@covers(to_station("ExtendedTriggerMessage"))
async def test_the_state_of_signed_firmware_is_triggered_by_the_extension(play: Play) -> None:
    """Whitepaper L01.FR.29: in TriggerMessage the same word means unsigned firmware."""
    await play("""
        ! TriggerMessage {"requested_message": "SignedFirmwareStatusNotification"}
        < ExtendedTriggerMessage {"requestedMessage": "FirmwareStatusNotification"}
        > {"status": "Accepted"}
        = accepted
        > SignedFirmwareStatusNotification {"status": "Idle"}
        < {}
    """)
