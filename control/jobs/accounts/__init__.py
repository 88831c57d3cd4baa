"""Mails links, and forgets what has ended of accounts."""
