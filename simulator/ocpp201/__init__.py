"""OCPP 2.0.1, JSON: the dialect of a station, its commands and its device model."""

from simulator.ocpp201.messages import Ocpp201

__all__ = ["Ocpp201"]
