"""Firmware updates, logs and files."""
