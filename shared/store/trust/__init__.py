"""Certificates, signing requests and security events."""
