"""Registering stations, and closing their connections."""
