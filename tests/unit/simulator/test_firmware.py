"""Updates of the firmware (1.6, 5.19 and 4.5; whitepaper, L01)."""

from typing import Any

import pytest

from simulator.events import Download, FirmwareProgressed
from simulator.misbehaviour import MisbehaviourName
from simulator.transfers import TransferStatus
from tests.support.station_certificates import Key, certify, make_key, make_root, pem, rsa_key, sign
from tests.unit.simulator.bench import Bench, Frame, Payload

URL = "https://files.example.com/fw/station-2.5.1.bin"
IMAGE = b"new firmware"
NOTICES = {"FirmwareStatusNotification", "SignedFirmwareStatusNotification"}


def _update(station: Bench, *, starts_in_s: float = 0, url: str = URL, **more: Any) -> None:
    moment = station.station.context.timestamp(station.now + starts_in_s)
    request = {"location": url, "retrieveDate": moment, **more}
    assert station.command("UpdateFirmware", request) == {}


def _told(said: list[Frame]) -> list[str]:
    return [frame.payload["status"] for frame in said if frame.action in NOTICES]


def _events(said: list[Frame]) -> list[str]:
    return [frame.payload["type"] for frame in said if frame.action == "SecurityEventNotification"]


def _reboot(station: Bench, seconds: float = 10) -> list[Frame]:
    """Live until the station has restarted and come back."""
    said = station.live(seconds)
    assert station.dials, "the station has not restarted"
    station.connect()
    return said + station.live(5)


def test_firmware_is_downloaded_installed_and_booted(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station)
    said = station.live(1)
    assert _told(said) == ["Downloading"]
    assert station.transfer_ends(content=IMAGE) == Download(transfer_id=1, url=URL)
    said = _reboot(station)
    assert _told(said) == ["Downloaded", "Installing", "Installed"]
    boot = next(frame for frame in said if frame.action == "BootNotification")
    assert boot.payload["firmwareVersion"] == "2.5.1"
    assert _events(said) == ["ResetOrReboot", "FirmwareUpdated"]
    assert said.index(boot) < [frame.payload.get("status") for frame in said].index("Installed")


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("http://h/fw/v10.4-rc.img?x=9.9.9", "10.4"),
        ("http://h/fw/image.bin", "1.0.1"),
        ("http://h/", "1.0.1"),
    ],
)
def test_the_version_is_in_the_name_of_the_file(bench: type[Bench], url: str, version: str) -> None:
    station = bench().booted()
    _update(station, url=url)
    station.live(1)
    station.transfer_ends(content=IMAGE)
    boot = next(frame for frame in _reboot(station) if frame.action == "BootNotification")
    assert boot.payload["firmwareVersion"] == version


def test_it_is_not_retrieved_before_its_date(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station, starts_in_s=100)
    assert _told(station.live(99)) == []
    assert not station.transfers
    assert _told(station.live(1)) == ["Downloading"]
    assert station.transfers


def test_a_download_is_tried_as_often_as_asked(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station, retries=3, retryInterval=20)
    told = []
    for _ in range(3):
        told += _told(station.live(20))
        station.transfer_ends(TransferStatus.FAILED)
    assert told + _told(station.live(60)) == ["Downloading", "DownloadFailed"]
    assert not station.transfers


def test_a_download_that_cannot_be_done_is_not_tried_again(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station, url="ftp://h/fw.bin", retries=5)
    station.live(1)
    station.transfer_ends(TransferStatus.UNSUPPORTED)
    assert _told(station.live(100)) == ["DownloadFailed"]
    assert not station.transfers


def test_nobody_is_disturbed_and_nobody_new_begins(bench: type[Bench]) -> None:
    station = bench(connectors=2).booted()
    station.charge(connector_id=1)
    _update(station)
    station.live(1)
    station.transfer_ends(content=IMAGE)
    said = station.live(600)
    assert _told(said) == ["Downloaded"]
    statuses = [frame.payload for frame in said if frame.action == "StatusNotification"]
    assert [(each["connectorId"], each["status"]) for each in statuses] == [(2, "Unavailable")]
    station.stop(connector_id=1)
    said = _reboot(station)
    assert _told(said) == ["Installing", "Installed"]
    last = {
        frame.payload["connectorId"]: frame.payload["status"]
        for frame in said
        if frame.action == "StatusNotification"
    }
    assert last == {0: "Available", 1: "Available", 2: "Available"}


@pytest.mark.parametrize(
    ("misbehaviours", "content"),
    [(frozenset({MisbehaviourName.FAILED_INSTALLATION}), IMAGE), (frozenset(), b"")],
)
def test_an_installation_may_fail(
    bench: type[Bench], misbehaviours: frozenset[MisbehaviourName], content: bytes
) -> None:
    station = bench(misbehaviours=misbehaviours).booted()
    _update(station)
    station.live(1)
    station.transfer_ends(content=content)
    assert _told(station.live(60)) == ["Downloaded", "Installing", "InstallationFailed"]
    assert not station.dials
    _update(station)  # And another can be tried.
    assert _told(station.live(1)) == ["Downloading"]


def test_statuses_wait_while_offline(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station)
    station.live(1)
    station.disconnect()
    station.transfer_ends(TransferStatus.FAILED)
    station.tick(10)
    station.transfer_ends(TransferStatus.UNSUPPORTED)
    station.connect()
    assert _told(station.live(5)) == ["DownloadFailed"]


def test_a_reset_interrupts_the_download_which_begins_again(bench: type[Bench]) -> None:
    station = bench().booted()
    _update(station)
    station.live(1)
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    assert len(station.transfers) == 1
    station.connect()
    station.live(1)
    station.transfer_ends(content=IMAGE)
    assert _told(_reboot(station)) == ["Downloaded", "Installing", "Installed"]


def test_a_trigger_tells_where_it_stands(bench: type[Bench]) -> None:
    station = bench().booted()
    trigger = {"requestedMessage": "FirmwareStatusNotification"}

    def asked() -> str:
        station.command("TriggerMessage", trigger)
        return _told(station.settle())[-1]

    assert asked() == "Idle"
    _update(station, starts_in_s=50)
    assert asked() == "Idle"
    station.live(50)
    assert asked() == "Downloading"
    station.transfer_ends(TransferStatus.UNSUPPORTED)
    station.settle()
    assert asked() == "Idle"


# Signed


def _signed(
    station: Bench, key: Key, *, signature: str | None = None, id_: int = 5, **firmware: Any
) -> str:
    root_key = make_key()
    root = make_root(root_key, "Maker")
    certificate = certify("Signer", key.public_key(), issuer=root, key=root_key)
    request: Payload = {
        "requestId": id_,
        "firmware": {
            "location": URL,
            "retrieveDateTime": station.station.context.timestamp(),
            "signingCertificate": pem(certificate),
            "signature": signature or sign(key, IMAGE),
            **firmware,
        },
    }
    return str(station.command("SignedUpdateFirmware", request)["status"])


@pytest.mark.parametrize("make", [rsa_key, make_key])
def test_signed_firmware_is_verified(bench: type[Bench], make: Any) -> None:
    station = bench().booted()
    assert _signed(station, make()) == "Accepted"
    said = station.live(1)
    station.transfer_ends(content=IMAGE)
    said += _reboot(station)
    assert _told(said) == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    told = [frame for frame in said if frame.action in NOTICES]
    assert {frame.action for frame in told} == {"SignedFirmwareStatusNotification"}
    assert {frame.payload["requestId"] for frame in told} == {5}


@pytest.mark.parametrize("case", ["forged", "no base64", "misbehaving"])
def test_a_signature_that_does_not_fit_ends_it(bench: type[Bench], case: str) -> None:
    names = {MisbehaviourName.INVALID_SIGNATURE} if case == "misbehaving" else set()
    station = bench(misbehaviours=frozenset(names)).booted()
    key = make_key()
    signature = {"forged": sign(make_key(), IMAGE), "no base64": "???"}.get(case)
    assert _signed(station, key, signature=signature) == "Accepted"
    station.live(1)
    station.transfer_ends(content=IMAGE)
    said = station.live(60)
    assert _told(said) == ["Downloaded", "InvalidSignature"]
    assert _events(said) == ["InvalidFirmwareSignature"]


@pytest.mark.parametrize("certificate", ["PEM", "", "-----BEGIN CERTIFICATE-----"])
def test_a_signing_certificate_that_is_none_is_refused(
    bench: type[Bench], certificate: str
) -> None:
    station = bench().booted()
    assert _signed(station, make_key(), signingCertificate=certificate) == "InvalidCertificate"
    said = station.live(5)
    assert _events(said) == ["InvalidFirmwareSigningCertificate"]
    assert _told(said) == []


def test_a_signing_certificate_has_to_be_of_the_manufacturer(bench: type[Bench]) -> None:
    station = bench().booted()
    root = make_root(make_key(), "Another maker")
    request = {"certificateType": "ManufacturerRootCertificate", "certificate": pem(root)}
    assert station.command("InstallCertificate", request) == {"status": "Accepted"}
    assert _signed(station, make_key()) == "InvalidCertificate"


def test_an_installation_can_be_put_off(bench: type[Bench]) -> None:
    station = bench().booted()
    moment = station.station.context.timestamp(station.now + 300)
    assert _signed(station, make_key(), installDateTime=moment) == "Accepted"
    station.live(1)
    station.transfer_ends(content=IMAGE)
    assert _told(station.live(290)) == ["Downloaded", "SignatureVerified", "InstallScheduled"]
    assert _told(_reboot(station, 20)) == ["Installing", "InstallRebooting", "Installed"]


def test_a_new_update_takes_the_place_of_one_under_way(bench: type[Bench]) -> None:
    station = bench().booted()
    _signed(station, make_key(), id_=1)
    station.live(1)
    assert _signed(station, make_key(), id_=2) == "AcceptedCanceled"
    said = station.live(1)
    assert [frame.payload["requestId"] for frame in said if frame.action in NOTICES] == [2]
    assert len(station.transfers) == 1
    station.transfer_ends(content=IMAGE)
    station.live(0.5)
    # Too late for a third.
    assert _signed(station, make_key(), id_=3) == "Rejected"
    _update(station)
    _reboot(station)
    steps = [event.status for event in station.events_of(FirmwareProgressed)]
    assert steps[-3:] == ["Installing", "InstallRebooting", "Installed"]
