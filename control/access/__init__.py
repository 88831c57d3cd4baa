"""Telling the pods what has changed for tokens."""
