"""Sending commands, and waiting for their outcomes."""
