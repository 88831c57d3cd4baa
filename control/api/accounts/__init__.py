"""Users, API keys and sessions of the dashboard."""
