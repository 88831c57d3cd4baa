"""OCPP 1.6J. Words of this version (charge point, id tag, connector 0) stay inside this package."""

from ocpp.v16.enums import Action

from gateway.errors import ErrorCode
from gateway.ocpp16.core import Core
from gateway.ocpp16.firmware_management import FirmwareManagement
from gateway.ocpp16.limits import Limits
from gateway.ocpp16.local_auth_list import LocalAuthList
from gateway.ocpp16.remote_trigger import RemoteTrigger
from gateway.ocpp16.reservation import Reservation
from gateway.ocpp16.security import Security
from gateway.ocpp16.smart_charging import SmartCharging
from gateway.routing import Protocol, find_answer_readers, find_routes, find_senders


class Ocpp16(
    Core,
    Limits,
    LocalAuthList,
    RemoteTrigger,
    Reservation,
    SmartCharging,
    FirmwareManagement,
    Security,
):
    """All functional profiles of OCPP 1.6 that Voltaro speaks."""

    __slots__ = ()


PROTOCOL = Protocol(
    subprotocol="ocpp1.6",
    version="1.6",
    schema_folder="v16",
    request_suffix="",
    handlers=Ocpp16,
    routes=find_routes(Ocpp16, "v16", ""),
    senders=find_senders(Ocpp16),
    answer_readers=find_answer_readers(Ocpp16),
    actions=frozenset(Action),
    # OCPP-J 1.6 §4.2.3 spells these two so.
    error_spelling={
        ErrorCode.FORMAT_VIOLATION: "FormationViolation",
        ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurenceConstraintViolation",
    },
    answers_broken_frames=False,
)
