"""Charging profiles and reservations."""
