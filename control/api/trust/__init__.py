"""Certificates and security events."""
