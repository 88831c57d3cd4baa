"""Organizations, users, API keys and sessions of the dashboard."""
