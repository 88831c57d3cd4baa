"""The security extension: certificates (whitepaper, A02, M03 to M05) and security events (A04)."""

from typing import TYPE_CHECKING

from simulator.certificates import CHAIN_MAX_LENGTH, HashData
from simulator.dialect import Accepted, Answer, Request
from simulator.maintenance import SecurityEvent, SecurityEventType
from simulator.ocpp16.answers import Handler, status
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

CSMS_ROOT = "CentralSystemRootCertificate"
MANUFACTURER_ROOT = "ManufacturerRootCertificate"

_INFO_MAX_LENGTH = 255

#: What is called otherwise since 2.0.1.
_EVENT_NAMES = {SecurityEventType.INVALID_STATION_CERTIFICATE: "InvalidChargePointCertificate"}


class Security:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "CertificateSigned": self._certificate_signed,
            "DeleteCertificate": self._delete_certificate,
            "GetInstalledCertificateIds": self._get_installed_certificate_ids,
            "InstallCertificate": self._install_certificate,
        }

    def _certificate_signed(self, payload: Payload) -> Answer:
        """A02; the chain must not be longer than CertificateSignedMaxChainSize says."""
        station = self._station
        chain: str = payload["certificateChain"]
        problem: str | None = "the chain is too long"
        if len(chain) <= CHAIN_MAX_LENGTH:
            roots = list(station.roots.of(CSMS_ROOT))
            problem = station.keys.accept(chain, roots, station.context.now)
        if problem is None:
            return status("Accepted")
        info = problem
        return status(
            "Rejected",  # A02.FR.07
            lambda: station.security_log.note(SecurityEventType.INVALID_STATION_CERTIFICATE, info),
        )

    def _install_certificate(self, payload: Payload) -> Answer:
        """M05."""
        station = self._station
        installed = station.roots.install(
            payload["certificateType"], payload["certificate"], station.context.now
        )
        return status("Accepted" if installed else "Rejected")

    def _delete_certificate(self, payload: Payload) -> Answer:
        """M04."""
        data: Payload = payload["certificateHashData"]
        deleted = self._station.roots.delete(
            HashData(
                data["hashAlgorithm"],
                data["issuerNameHash"],
                data["issuerKeyHash"],
                data["serialNumber"],
            )
        )
        return status("Accepted" if deleted else "NotFound")

    def _get_installed_certificate_ids(self, payload: Payload) -> Answer:
        """M03."""
        found = self._station.roots.hash_data(payload["certificateType"])
        if not found:
            return status("NotFound")
        listed = [
            {
                "hashAlgorithm": each.algorithm,
                "issuerNameHash": each.issuer_name,
                "issuerKeyHash": each.issuer_key,
                "serialNumber": each.serial_number,
            }
            for each in found
        ]
        return Accepted({"status": "Accepted", "certificateHashData": listed})


def security_event(event: SecurityEvent, timestamp: str) -> Request:
    """Return a SecurityEventNotification.req (whitepaper, 5.15)."""
    return Request(
        "SecurityEventNotification",
        {
            "type": _EVENT_NAMES.get(event.type, event.type.value),
            "timestamp": timestamp,
            "techInfo": event.info[:_INFO_MAX_LENGTH],
        },
    )
