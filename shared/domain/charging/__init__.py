"""Charging profiles, composite schedules and reservations."""
