"""Firmware updates, logs and files, and how far each has come."""
