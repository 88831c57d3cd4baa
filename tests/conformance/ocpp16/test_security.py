"""The security extension of OCPP 1.6 (whitepaper, edition 3)."""

import json
from typing import Any

import pytest

from tests.conformance.ocpp16.coverage import covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.signing import root, signing_request
from tests.support.transcript import Play

CERTIFICATES = "/v1/stations/CP-1/certificates"
HASH_DATA = f"""{{"hashAlgorithm": "SHA256", "issuerNameHash": "{"aB" * 32}",
    "issuerKeyHash": "{"cD" * 32}", "serialNumber": "fF1"}}"""
SIGNED_UPDATE = """
    ! UpdateFirmware {"location": "https://vendor.example/cs-2.bin", "request_id": 7,
        "retrieve_at": "2026-01-02T03:04:05Z", "install_at": "2026-01-03T00:00:00Z",
        "signing_certificate": "PEM", "signature": "c2ln"}
    < SignedUpdateFirmware {"requestId": 7, "firmware": {
        "location": "https://vendor.example/cs-2.bin", "retrieveDateTime": "2026-01-02T03:04:05Z",
        "installDateTime": "2026-01-03T00:00:00Z", "signingCertificate": "PEM",
        "signature": "c2ln"}}
"""


async def items(api: Api, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.client.get(path)).json()["items"]
    return found


@covers(from_station("SecurityEventNotification"))
async def test_a_security_event_is_kept_once_and_listed(play: Play, api: Api) -> None:
    told = """
        > SecurityEventNotification {"type": "TamperDetectionActivated", "techInfo": "lid",
            "timestamp": "2026-01-02T03:04:05Z"}
        < {}
    """
    await play(told + told)
    (event,) = await items(api, "/v1/security-events?station_id=CP-1")
    assert (event["type"], event["tech_info"]) == ("TamperDetectionActivated", "lid")
    assert event["occurred_at"] == "2026-01-02T03:04:05Z"


@covers(
    to_station("ExtendedTriggerMessage"),
    from_station("SignCertificate"),
    to_station("CertificateSigned"),
)
@pytest.mark.parametrize(("status", "state"), [("Accepted", "accepted"), ("Rejected", "rejected")])
async def test_a_station_gets_a_new_certificate(
    play: Play, api: Api, status: str, state: str
) -> None:
    """A02, from the request to the station's word about what it got."""
    csr = signing_request("CP-1")
    await play(f"""
        ! TriggerMessage {{"requested_message": "SignChargingStationCertificate"}}
        < ExtendedTriggerMessage {{"requestedMessage": "SignChargePointCertificate"}}
        > {{"status": "Accepted"}}
        = accepted
        > SignCertificate {json.dumps({"csr": csr})}
        < {{"status": "Accepted"}}
    """)
    (request,) = await items(api, "/v1/certificate-signing-requests")
    assert (request["state"], request["csr"]) == ("pending", csr)
    url = f"/v1/certificate-signing-requests/{request['signing_request_id']}"
    chain = root().answer(csr)
    signed = await api.client.post(f"{url}/certificate", json={"certificate_chain": chain})
    assert signed.status_code == 200, signed.text
    await play(f"""
        < CertificateSigned {json.dumps({"certificateChain": chain})}
        > {{"status": "{status}"}}
        ! ClearCache
        < ClearCache {{}}
        > {{"status": "Accepted"}}
        = accepted
    """)
    assert (await api.client.get(url)).json()["state"] == state


@covers(from_station("SignCertificate"))
@pytest.mark.parametrize(
    ("csr", "reason"), [(signing_request("CP-2"), "A00.FR.405"), ("no request", "PEM")]
)
async def test_a_request_that_must_not_be_signed_is_rejected(
    play: Play, api: Api, csr: str, reason: str
) -> None:
    await play(f"""
        > SignCertificate {json.dumps({"csr": csr})}
        < {{"status": "Rejected"}}
    """)
    (request,) = await items(api, "/v1/certificate-signing-requests")
    assert request["state"] == "refused"
    assert reason in request["reason"]


@covers(
    to_station("InstallCertificate"),
    to_station("GetInstalledCertificateIds"),
    to_station("DeleteCertificate"),
)
async def test_a_root_certificate_is_installed_listed_and_deleted(play: Play, api: Api) -> None:
    """M03 to M05."""
    authority = root(serial_number=0xBEEF)
    body = {"certificate_type": "CSMSRootCertificate", "certificate": authority.pem}
    payload = {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": authority.pem,
    }
    await play(f"""
        ! InstallCertificate {json.dumps(body)}
        < InstallCertificate {json.dumps(payload)}
        > {{"status": "Accepted"}}
        = accepted
    """)
    (certificate,) = await items(api, CERTIFICATES)
    assert (certificate["certificate_type"], certificate["serial_number"]) == (
        "CSMSRootCertificate",
        "BEEF",
    )
    await play(f"""
        ! GetInstalledCertificateIds {{"certificate_types": ["CSMSRootCertificate"]}}
        < GetInstalledCertificateIds {{"certificateType": "CentralSystemRootCertificate"}}
        > {{"status": "Accepted", "certificateHashData": [{HASH_DATA}]}}
        = accepted
    """)
    (certificate,) = await items(api, CERTIFICATES)
    assert certificate["serial_number"] == "fF1"
    delete = {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": "aB" * 32,
        "issuer_key_hash": "cD" * 32,
        "serial_number": "fF1",
    }
    for status, outcome in (("Failed", "rejected"), ("Accepted", "accepted")):
        assert len(await items(api, CERTIFICATES)) == 1
        await play(f"""
            ! DeleteCertificate {json.dumps(delete)}
            < DeleteCertificate {{"certificateHashData": {HASH_DATA}}}
            > {{"status": "{status}"}}
            = {outcome} {{"status": "{status}"}}
        """)
    assert await items(api, CERTIFICATES) == []


@covers(to_station("InstallCertificate"))
@pytest.mark.parametrize("status", ["Rejected", "Failed"])
async def test_a_certificate_that_the_station_does_not_take_is_not_listed(
    play: Play, api: Api, status: str
) -> None:
    body = {"certificate_type": "ManufacturerRootCertificate", "certificate": root().pem}
    await play(f"""
        ! InstallCertificate {json.dumps(body)}
        < InstallCertificate {{"certificateType": "ManufacturerRootCertificate",
            "certificate": "$"}}
        > {{"status": "{status}"}}
        = rejected {{"status": "{status}"}}
    """)
    assert await items(api, CERTIFICATES) == []


@covers(to_station("SignedUpdateFirmware"), from_station("SignedFirmwareStatusNotification"))
async def test_a_signed_update_is_followed_by_its_request_id(play: Play, api: Api) -> None:
    """L01."""
    await play(SIGNED_UPDATE)
    await play("""
        > {"status": "Accepted"}
        = accepted
    """)
    told = ("Downloading", "Downloaded", "SignatureVerified", "InstallScheduled", "Installing",
            "Installed")  # fmt: skip
    for status in told:
        await play(f"""
            > SignedFirmwareStatusNotification {{"status": "{status}", "requestId": 7}}
            < {{}}
        """)
    (update,) = await items(api, "/v1/stations/CP-1/firmware-updates")
    found = await api.client.get(f"/v1/firmware-updates/{update['firmware_update_id']}")
    assert (update["state"], update["signed"], update["request_id"]) == ("succeeded", True, 7)
    assert tuple(step["status"] for step in found.json()["history"]) == told


@covers(from_station("SignedFirmwareStatusNotification"))
@pytest.mark.parametrize("status", ["InvalidSignature", "InstallVerificationFailed"])
async def test_firmware_that_is_not_what_was_signed_is_not_installed(
    play: Play, api: Api, status: str
) -> None:
    await play(SIGNED_UPDATE)
    await play(f"""
        > {{"status": "Accepted"}}
        = accepted
        > SignedFirmwareStatusNotification {{"status": "{status}", "requestId": 7}}
        < {{}}
    """)
    (update,) = await items(api, "/v1/stations/CP-1/firmware-updates")
    assert (update["state"], update["status"]) == ("failed", status)


@covers(to_station("SignedUpdateFirmware"))
@pytest.mark.parametrize(
    ("status", "outcome", "state"),
    [
        ("InvalidCertificate", "rejected", "refused"),
        ("RevokedCertificate", "rejected", "refused"),
        ("Rejected", "rejected", "refused"),
        ("AcceptedCanceled", "accepted", "accepted"),
    ],
)
async def test_what_the_station_says_to_signed_firmware_is_kept(
    play: Play, api: Api, status: str, outcome: str, state: str
) -> None:
    await play(SIGNED_UPDATE)
    await play(f"""
        > {{"status": "{status}"}}
        = {outcome} {{"status": "{status}"}}
    """)
    (update,) = await items(api, "/v1/stations/CP-1/firmware-updates")
    assert (update["state"], update["answer_status"]) == (state, status)


@covers(to_station("GetLog"), from_station("LogStatusNotification"))
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Uploaded", "succeeded"),
        ("UploadFailure", "failed"),
        ("BadMessage", "failed"),
        ("PermissionDenied", "failed"),
        ("NotSupportedOperation", "failed"),
    ],
)
async def test_the_security_log_is_followed_until_it_is_uploaded(
    play: Play, api: Api, status: str, state: str
) -> None:
    """N01."""
    await play(f"""
        ! GetLog {{"log_type": "SecurityLog", "location": "https://vendor.example/up/",
            "request_id": 9, "since": "2026-01-01T00:00:00Z"}}
        < GetLog {{"logType": "SecurityLog", "requestId": 9, "log": {{
            "remoteLocation": "https://vendor.example/up/",
            "oldestTimestamp": "2026-01-01T00:00:00Z"}}}}
        > {{"status": "Accepted", "filename": "security.log"}}
        = accepted
        > LogStatusNotification {{"status": "Uploading", "requestId": 9}}
        < {{}}
        > LogStatusNotification {{"status": "{status}", "requestId": 9}}
        < {{}}
    """)
    (log,) = await items(api, "/v1/stations/CP-1/logs")
    assert (log["state"], log["status"], log["file_name"]) == (state, status, "security.log")


@covers(to_station("GetLog"))
async def test_a_log_that_the_station_refuses_is_refused(play: Play, api: Api) -> None:
    await play("""
        ! GetLog {"log_type": "SecurityLog", "location": "https://vendor.example/up/"}
        < GetLog {"logType": "SecurityLog", "requestId": "$",
            "log": {"remoteLocation": "https://vendor.example/up/"}}
        > {"status": "Rejected"}
        = rejected
    """)
    (log,) = await items(api, "/v1/stations/CP-1/logs")
    assert (log["state"], log["answer_status"]) == ("refused", "Rejected")
