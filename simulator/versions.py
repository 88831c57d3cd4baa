"""The versions of OCPP that stations speak, by name."""

from collections.abc import Callable, Mapping

from simulator.dialect import Dialect
from simulator.ocpp16 import Ocpp16
from simulator.ocpp201 import Ocpp201
from simulator.profile import OcppVersion
from simulator.station import Station

DIALECTS: Mapping[OcppVersion, Callable[[Station], Dialect]] = {
    OcppVersion.V1_6: Ocpp16,
    OcppVersion.V2_0_1: Ocpp201,
}
