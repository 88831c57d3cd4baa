"""The certificate authority, and how certificates reach stations."""
