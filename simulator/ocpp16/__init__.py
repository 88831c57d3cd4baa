"""OCPP 1.6J: the dialect of a station, its commands and its configuration keys."""

from simulator.ocpp16.messages import Ocpp16

__all__ = ["Ocpp16"]
