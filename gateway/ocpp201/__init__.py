"""OCPP 2.0.1, one module per functional block of its part 2."""

from ocpp.v201.enums import Action

from gateway.ocpp201 import provisioning
from gateway.ocpp201.authorization import Authorization
from gateway.ocpp201.availability import Availability
from gateway.ocpp201.certificate_management import CertificateManagement
from gateway.ocpp201.data_transfer import DataTransfer
from gateway.ocpp201.diagnostics import Diagnostics
from gateway.ocpp201.firmware_management import FirmwareManagement
from gateway.ocpp201.limits import Limits
from gateway.ocpp201.local_authorization_list import LocalAuthorizationList
from gateway.ocpp201.meter_values import MeterValues
from gateway.ocpp201.provisioning import Provisioning
from gateway.ocpp201.remote_control import RemoteControl
from gateway.ocpp201.reservation import Reservation
from gateway.ocpp201.security import Security
from gateway.ocpp201.smart_charging import SmartCharging
from gateway.ocpp201.transactions import Transactions
from gateway.routing import Protocol, find_answer_readers, find_routes, find_senders


class Ocpp201(
    Security,
    Provisioning,
    Limits,
    Authorization,
    LocalAuthorizationList,
    Transactions,
    RemoteControl,
    Reservation,
    SmartCharging,
    Availability,
    MeterValues,
    FirmwareManagement,
    CertificateManagement,
    Diagnostics,
    DataTransfer,
):
    """All functional blocks of OCPP 2.0.1 that Voltaro speaks."""

    __slots__ = ()


# What a CSMS may be sent (part 2, chapter 1 of the messages), and nothing here answers yet.
_NOT_SUPPORTED = frozenset(
    {
        Action.cleared_charging_limit,
        Action.get_15118_ev_certificate,
        Action.get_certificate_status,
        Action.notify_charging_limit,
        Action.notify_customer_information,
        Action.notify_display_messages,
        Action.notify_ev_charging_needs,
        Action.notify_ev_charging_schedule,
        Action.notify_monitoring_report,
        Action.publish_firmware_status_notification,
        Action.report_charging_profiles,
    }
)

PROTOCOL = Protocol(
    subprotocol="ocpp2.0.1",
    version="2.0.1",
    schema_folder="v201",
    request_suffix="Request",
    handlers=Ocpp201,
    routes=find_routes(Ocpp201, "v201", "Request"),
    senders=find_senders(Ocpp201),
    answer_readers=find_answer_readers(Ocpp201),
    actions=frozenset(Action),
    error_spelling={},
    answers_broken_frames=True,
    not_supported=_NOT_SUPPORTED,
    item_statuses=provisioning.ITEM_STATUSES,
    reports=provisioning.REPORTS,
)
