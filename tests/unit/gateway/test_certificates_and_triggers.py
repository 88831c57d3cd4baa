"""What the two versions say of certificates and triggers, and what neither can."""

from typing import Any

import pytest

from gateway import ocpp16, ocpp201
from gateway.errors import CannotBeSaidError
from gateway.routing import Protocol
from shared.domain import commands
from shared.domain.commands import MessageTrigger
from shared.domain.trust.certificates import CertificateSigningUse, CertificateUse


def encode(protocol: Protocol, command: commands.Command) -> tuple[str, dict[str, Any]]:
    handlers = protocol.handlers.__new__(protocol.handlers)
    return protocol.encode_command(handlers, command)


def test_2_0_1_names_the_type_of_a_signed_certificate() -> None:
    command = commands.CertificateSigned(
        certificate_chain="PEM", certificate_type=CertificateSigningUse.V2G
    )
    assert encode(ocpp201.PROTOCOL, command) == (
        "CertificateSigned", {"certificateChain": "PEM", "certificateType": "V2GCertificate"}
    )  # fmt: skip


@pytest.mark.parametrize("protocol", [ocpp16.PROTOCOL, ocpp201.PROTOCOL], ids=["1.6", "2.0.1"])
def test_a_certificate_for_both_uses_has_no_type(protocol: Protocol) -> None:
    command = commands.CertificateSigned(certificate_chain="PEM")
    assert encode(protocol, command) == ("CertificateSigned", {"certificateChain": "PEM"})


@pytest.mark.parametrize(
    "command",
    [
        commands.TriggerMessage(requested_message=MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION),
        commands.TriggerMessage(
            requested_message=MessageTrigger.SIGNED_FIRMWARE_STATUS_NOTIFICATION
        ),
        commands.InstallCertificate(certificate_type=CertificateUse.V2G_CHAIN, certificate="PEM"),
        commands.UpdateFirmware(location="x" * 513, retrieve_at="2026-01-01T00:00:00Z"),
    ],
)
def test_what_2_0_1_cannot_say_is_refused(command: commands.Command) -> None:
    with pytest.raises(CannotBeSaidError):
        encode(ocpp201.PROTOCOL, command)


@pytest.mark.parametrize("protocol", [ocpp16.PROTOCOL, ocpp201.PROTOCOL], ids=["1.6", "2.0.1"])
@pytest.mark.parametrize(
    "trigger",
    [MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE, MessageTrigger.LOG_STATUS_NOTIFICATION],
)
def test_what_a_trigger_asks_for_may_be_sent_before_the_acceptance(
    protocol: Protocol, trigger: MessageTrigger
) -> None:
    action, payload = encode(protocol, commands.TriggerMessage(requested_message=trigger))
    asked = protocol.find_asked_for(action, payload)
    expected = {
        MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE: "SignCertificate",
        MessageTrigger.LOG_STATUS_NOTIFICATION: "LogStatusNotification",
    }
    assert asked == expected[trigger]
    assert asked in protocol.routes


def test_a_request_id_is_made_where_none_is_given() -> None:
    for command in (
        commands.UpdateFirmware(
            location="u", retrieve_at="2026-01-01T00:00:00Z", signing_certificate="c", signature="s"
        ),
        commands.GetLog(location="u", log_type=commands.LogType.SECURITY_LOG),
    ):
        for protocol in (ocpp16.PROTOCOL, ocpp201.PROTOCOL):
            ids = {encode(protocol, command)[1]["requestId"] for _ in range(5)}
            assert len(ids) == 5
            assert all(0 <= each < 2**31 for each in ids)
