"""Firmware updates, logs, files, and the jobs that workers do."""
