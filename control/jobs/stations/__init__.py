"""Stations: the settings that they are to have."""
