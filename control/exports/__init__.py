"""Exports: lists as files, written while they are read."""
