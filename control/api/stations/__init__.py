"""Stations and what is known of them."""
