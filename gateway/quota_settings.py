"""How much of what one station says is kept; `gateway.quotas` tells what is done with the rest."""

from pydantic import Field, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings
from shared.store.quotas import RowQuotas


class QuotaSettings(ServiceSettings):
    """The quotas of a station, as a pod goes by them."""

    station_max_connectors: PositiveInt = Field(
        default=512,
        description="connectors of one station that are kept, the station itself being one; twice "
        "what the largest sites have that stand behind one identity. Statuses of others are "
        "answered, and counted in voltaro_gateway_beyond_quota",
    )
    station_max_variables: PositiveInt = Field(
        default=20_000,
        description="attributes of variables of one station of OCPP 2.0.1 that are kept. Each EVSE "
        "and connector adds some tens, a controller some hundreds",
    )
    station_max_configuration_keys: PositiveInt = Field(
        default=2000,
        description="configuration keys of one station of OCPP 1.6 that are kept; the richest have "
        "some hundreds",
    )
    station_max_refused_calls: PositiveInt = Field(
        default=1000,
        description="messages of one station that tell of a transaction, were answered with a "
        "CALLERROR and wait in the dead letters for somebody to decide; so many that begin or end "
        "a charge, and as many with readings alone, so that these cost none of the others. A "
        "firmware that gets every start and end wrong has them for 500 charges",
    )
    station_max_refused_calls_kib: PositiveInt = Field(
        default=16 * 1024,
        description="and the KiB of their frames, each alike: eight of the longest that are taken. "
        "What is beyond is answered and counted, and the operator is told with QuotaExceeded",
    )
    replay_interval_s: PositiveFloat = Field(
        default=2.0,
        description="how often a pod looks whether an operator wants such a message handled once "
        "more; one look is one row of an index",
    )
    station_max_quirks: PositiveInt = Field(
        default=500,
        description="quirks that one station alone has shown; one that makes up names of its "
        "firmware and of members would fill the list of all",
    )
    station_events_burst: PositiveInt = Field(
        default=5000,
        description="events (NotifyEvent) of one station that are kept at once after a calm, such "
        "as those of days without a connection. More are answered and counted, not kept, and the "
        "operator is told with the security event QuotaExceeded, once in an hour; likewise of all "
        "below. It is counted per pod",
    )
    station_events_per_hour: PositiveFloat = Field(
        default=600.0, description="and in the long run: 60 MB a day at the very most"
    )
    station_security_events_burst: PositiveInt = Field(
        default=1000, description="security events of one station, likewise"
    )
    station_security_events_per_hour: PositiveFloat = Field(
        default=60.0, description="and in the long run; critical ones are rare"
    )
    station_meter_samples_burst: PositiveInt = Field(
        default=200_000,
        description="samples outside transactions of one station, likewise: what 10 EVSEs with ten "
        "samples a minute keep in more than a day. What belongs to a transaction has no quota",
    )
    station_meter_samples_per_hour: PositiveFloat = Field(
        default=36_000.0, description="and in the long run: ten in a second"
    )
    station_status_changes_burst: PositiveInt = Field(
        default=2000,
        description="statuses of connectors of one station that are kept one by one. Beyond, only "
        "how a connector is now is kept, and its history gets the last of them within "
        "status_history_interval_s of the worker",
    )
    station_status_changes_per_hour: PositiveFloat = Field(
        default=1200.0,
        description="and in the long run: 50 EVSEs that start a charge every half an hour",
    )
    station_transfer_steps_burst: PositiveInt = Field(
        default=200, description="statuses of firmware updates and log uploads of one station"
    )
    station_transfer_steps_per_hour: PositiveFloat = Field(
        default=60.0, description="and in the long run; an update has about six"
    )
    station_authorizations_burst: PositiveInt = Field(
        default=2000,
        description="decisions about tokens that are kept of one station at once, such as those of "
        "charges that it tells of after days without a connection; each is answered all the same",
    )
    station_authorizations_per_hour: PositiveFloat = Field(
        default=1000.0,
        description="and in the long run: 40 EVSEs with a driver every five minutes, each of whom "
        "shows a card at the start and at the end",
    )
    station_ocpp_log_burst_kib: PositiveInt = Field(
        default=51_200,
        description="KiB of the OCPP log that one station fills at once; what is more is dropped "
        "from it and counted",
    )
    station_ocpp_log_kib_per_hour: PositiveFloat = Field(
        default=20_480.0,
        description="and in the long run: 500 MB a day, three hundred times what a station says "
        "that sends meter values once a minute",
    )
    station_signing_requests_burst: PositiveInt = Field(
        default=10,
        description="certificate signing requests of one station at once; more are Rejected. Each "
        "may cost the worker an RSA signature",
    )
    station_signing_requests_per_hour: PositiveFloat = Field(
        default=1.0,
        description="and in the long run; a station needs one in a year, and some repeat it until "
        "it is signed",
    )

    @property
    def row_quotas(self) -> RowQuotas:
        """How many rows of each kind a station may have."""
        return RowQuotas(
            connectors=self.station_max_connectors,
            variables=self.station_max_variables,
            configuration_keys=self.station_max_configuration_keys,
            refused_calls=self.station_max_refused_calls,
            refused_call_bytes=self.station_max_refused_calls_kib * 1024,
        )
