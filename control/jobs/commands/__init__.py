"""Puts batches of commands on their way."""
