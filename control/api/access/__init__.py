"""Tokens, groups, locations and local lists."""
