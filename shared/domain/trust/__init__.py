"""Certificates of stations and of those they trust."""
