"""Stations: availability, configuration, passwords, quirks, and the OCPP log."""
