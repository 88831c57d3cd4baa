"""Ends files whose time is over."""
