"""Stations: connections, availability, configuration, quirks, and the OCPP log."""
