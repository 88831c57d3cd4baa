"""Keeps local lists in step."""
