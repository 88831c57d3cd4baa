"""The simulated station against a real pod: every profile is asked, answered, and kept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography import x509
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.access.local_lists import LocalListEntry
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.charging.charging_profiles import ChargingRateUnit, to_document
from shared.domain.charging.reservations import ReservationRequest, ReservationState
from shared.domain.commands import CommandState, LogType, MessageTrigger
from shared.domain.commands.local_lists import LocalListUpdateType
from shared.domain.trust.certificates import CertificateUse, HashAlgorithm
from shared.settings import ServiceSettings
from shared.store.access import id_tokens, local_lists
from shared.store.charging import charging_profiles, reservations
from shared.store.pool import Database
from shared.store.trust import certificates, security_events
from shared.store.upkeep import firmware, logs
from simulator.events import ChargeStarted, Registered
from simulator.profile import OcppVersion, StationProfile
from simulator.running import SimulatedStation, run_station
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.charging_profiles import profile
from tests.support.eventually import eventually
from tests.support.file_server import FileServer, file_server
from tests.support.station_certificates import certify, make_key, make_root, pem, sign
from tests.support.stations import PASSWORD, register

BOTH = pytest.mark.parametrize("version", list(OcppVersion), ids=str)
_ANSWERED = {CommandState.ACCEPTED, CommandState.REJECTED, CommandState.ANSWERED}
Ask = Callable[[commands.Command], Awaitable[Any]]
Start = Callable[..., AbstractAsyncContextManager[SimulatedStation]]


@pytest.fixture
async def asking(db: Database, redis_url: str) -> AsyncIterator[Ask]:
    """Ask the station something, and return its answer."""
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as redis:
        yield _asking(db, redis)


def _asking(db: Database, redis: Redis) -> Ask:
    async def send(command: commands.Command) -> Any:
        record = await outcome(db, await ask(db, redis, command))
        assert record.state in _ANSWERED, record
        return record.response

    return send


@pytest.fixture
def start(db: Database, gateway: Pod) -> Start:
    """Start a station that charges only when told, and restarts in no time."""

    @asynccontextmanager
    async def started(
        version: OcppVersion = OcppVersion.V1_6, **more: Any
    ) -> AsyncIterator[SimulatedStation]:
        await register(db)
        await id_tokens.create(
            db,
            id_token="DRIVER",
            type=IdTokenType.ISO14443,
            status=AuthorizationStatus.ACCEPTED,
            expires_at=None,
            group_id_token=None,
        )
        quick = {"reboot_s": (0.05, 0.05), "install_s": (0.05, 0.05), "reset_delay_s": 0.05}
        station = StationProfile(station_id="CP-1", version=version, **{**quick, **more})
        async with run_station(station, url=gateway.url, password=PASSWORD, seed=1) as running:
            await running.wait_for(Registered, lambda event: event.status == "Accepted")
            yield running

    return started


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with file_server() as server:
        yield server


@BOTH
async def test_local_lists(db: Database, start: Start, asking: Ask, version: OcppVersion) -> None:
    entries = tuple(
        LocalListEntry(id_token=token, status=AuthorizationStatus.ACCEPTED).to_params()
        for token in ("A", "B")
    )
    async with start(version) as station:
        update = commands.SendLocalList(
            version=3, update_type=LocalListUpdateType.FULL, entries=entries
        )
        assert (await asking(update))["status"] == "Accepted"
        assert len(station.station.tokens.local_list) == 2
        change = commands.SendLocalList(version=3, update_type=LocalListUpdateType.DIFFERENTIAL)
        assert (await asking(change))["status"] == "VersionMismatch"
        assert 3 in (await asking(commands.GetLocalListVersion())).values()
    kept = await local_lists.get(db, "CP-1")
    assert kept is not None
    assert kept.version == 3


@BOTH
async def test_reservations(db: Database, start: Start, asking: Ask, version: OcppVersion) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    request = ReservationRequest(
        expires_at=expires_at, id_token="DRIVER", group_id_token=None, evse_id=1
    )
    async with start(version) as station:
        id_, _ = await reservations.create(db, station_id="CP-1", request=request)
        command = commands.ReserveNow(
            reservation_id=id_,
            expiry_date_time=request.expires_at.isoformat(),
            id_token=request.id_token,
            id_token_type=IdTokenType.ISO14443,
            evse_id=1,
        )
        assert (await asking(command))["status"] == "Accepted"
        assert station.station.connectors[1].status == "Reserved"
        charge = await station.start_charging(id_token="DRIVER")
        assert charge.reservation_id == id_
        await station.stop_charging()
        cancel = commands.CancelReservation(reservation_id=id_)
        assert (await asking(cancel))["status"] == "Rejected"
    kept = await reservations.get(db, station_id="CP-1", reservation_id=id_)
    assert kept.state is ReservationState.USED
    assert kept.session_id is not None


@BOTH
async def test_smart_charging(
    db: Database, start: Start, asking: Ask, version: OcppVersion
) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=1)
    default = profile("TxDefaultProfile", (0, "8.1"), (3600, "6.4"), start=begin, id=5)
    async with start(version, meter_interval_s=1) as station:
        command = commands.SetChargingProfile(evse_id=1, charging_profile=to_document(default))
        assert (await asking(command))["status"] == "Accepted"
        await station.start_charging(id_token="DRIVER")
        question = commands.GetCompositeSchedule(
            evse_id=1, duration_s=7200, charging_rate_unit=ChargingRateUnit.AMPERE
        )
        assert (await asking(question))["status"] == "Accepted"
        limit = station.station.connectors[1].meter
        assert limit.read(station.station.context.now).current_a <= 8.1
        kept = await charging_profiles.list_after(db, station_id="CP-1")
        assert [each.profile.charging_profile_id for each in kept] == [5]
        told = await charging_profiles.find_composite_schedule(db, station_id="CP-1", evse_id=1)
        assert told is not None
        assert [period.limit for period in told.periods] == [Decimal("8.1"), Decimal("6.4")]
        clear = commands.ClearChargingProfile(charging_profile_id=5)
        assert (await asking(clear))["status"] == "Accepted"
    assert await charging_profiles.list_after(db, station_id="CP-1") == []


async def test_a_remote_start_with_a_profile(start: Start, asking: Ask) -> None:
    limit = profile("TxProfile", (0, "6.5"), kind="Relative")
    async with start() as station:
        command = commands.RemoteStart(
            id_token="DRIVER", evse_id=1, charging_profile=to_document(limit)
        )
        assert (await asking(command))["status"] == "Accepted"
        await station.wait_for(ChargeStarted)
        (installed,) = station.station.limiting.profiles
        assert installed.periods[0].limit == Decimal("6.5")


@pytest.mark.parametrize("signed", [False, True])
async def test_firmware(
    db: Database, start: Start, asking: Ask, files: FileServer, *, signed: bool
) -> None:
    image, key = b"image", make_key()
    files.answers["GET /fw-4.5.6.bin"] = (200, image)
    now = datetime.now(UTC)
    signature = {}
    if signed:
        root = make_root(key, at=now.timestamp())
        leaf = certify("S", key.public_key(), issuer=root, key=key, at=now.timestamp())
        signature = {"signing_certificate": pem(leaf), "signature": sign(key, image)}
    async with start() as station:
        command = commands.UpdateFirmware(
            location=f"{files.url}/fw-4.5.6.bin", retrieve_at=now.isoformat(), **signature
        )
        assert await asking(command) == ({"status": "Accepted"} if signed else {})
        steps = await eventually(
            lambda: _steps(db), lambda steps: bool(steps) and steps[-1] == "Installed"
        )
        assert steps == [
            *("Downloading", "Downloaded"),
            *(["SignatureVerified"] if signed else []),
            "Installing",
            *(["InstallRebooting"] if signed else []),
            "Installed",
        ]
        assert station.station.context.firmware_version == "4.5.6"
        # A restart, an update: both are security events (A04).
        events = await eventually(
            lambda: security_events.list_before(db, before=None, limit=9),
            lambda events: len(events) > 1,
        )
        assert {event.type for event in events} == {"ResetOrReboot", "FirmwareUpdated"}


async def _steps(db: Database) -> list[str]:
    updates = await firmware.list_before(db, station_id="CP-1", before=None, limit=1)
    if not updates:
        return []
    steps = await firmware.list_statuses(db, updates[0].firmware_update_id)
    return [step.status for step in steps]


@pytest.mark.parametrize("log_type", list(LogType))
async def test_logs(
    db: Database, start: Start, asking: Ask, files: FileServer, log_type: LogType
) -> None:
    files.answers["PUT /log"] = (201, b"")
    async with start():
        answer = await asking(commands.GetLog(log_type=log_type, location=f"{files.url}/log"))
        name = answer.get("fileName") or answer.get("filename")
        assert name.startswith("CP-1-")
        (request,) = await logs.list_before(db, station_id="CP-1", before=None, limit=1)
        steps = await eventually(
            lambda: logs.list_statuses(db, request.log_request_id), lambda steps: len(steps) > 1
        )
        assert [step.status for step in steps] == ["Uploading", "Uploaded"]
    ((target, content),) = files.received
    assert target == "PUT /log"
    assert f"{log_type} of CP-1" in content.decode()


async def test_certificates(db: Database, start: Start, asking: Ask) -> None:
    key, now = make_key(), datetime.now(UTC).timestamp()
    root = make_root(key, at=now)
    use = CertificateUse.CSMS_ROOT
    async with start() as station:
        install = commands.InstallCertificate(certificate_type=use, certificate=pem(root))
        assert await asking(install) == {"status": "Accepted"}
        (kept,) = await certificates.list_after(db, station_id="CP-1", after=None, limit=9)
        listing = commands.GetInstalledCertificateIds(certificate_types=(use,))
        (told,) = (await asking(listing))["certificateHashData"]
        assert told["issuerKeyHash"] == kept.issuer_key_hash
        trigger = commands.TriggerMessage(
            requested_message=MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE
        )
        assert await asking(trigger) == {"status": "Accepted"}
        csr = await eventually(lambda: _csr(db), lambda csr: csr is not None)
        assert csr is not None
        leaf = certify(
            "CP-1",
            x509.load_pem_x509_csr(csr.encode()).public_key(),
            issuer=root,
            key=key,
            at=now,
        )
        chain = commands.CertificateSigned(certificate_chain=pem(leaf))
        assert await asking(chain) == {"status": "Accepted"}
        assert station.station.keys.certificate == pem(leaf)
        delete = commands.DeleteCertificate(
            hash_algorithm=HashAlgorithm.SHA256,
            issuer_name_hash=kept.issuer_name_hash,
            issuer_key_hash=kept.issuer_key_hash,
            serial_number=kept.serial_number,
        )
        assert await asking(delete) == {"status": "Accepted"}
        assert await certificates.list_after(db, station_id="CP-1", after=None, limit=9) == []


async def _csr(db: Database) -> str | None:
    return await db.fetchval("SELECT csr FROM certificate_signing_requests")


@pytest.mark.parametrize(
    "message",
    [
        each
        for each in MessageTrigger
        if each is not MessageTrigger.BOOT_NOTIFICATION  # Once accepted, it is not followed.
    ],
)
async def test_every_trigger(start: Start, asking: Ask, message: MessageTrigger) -> None:
    async with start():
        answer = await asking(commands.TriggerMessage(requested_message=message))
        assert answer == {"status": "Accepted"}
