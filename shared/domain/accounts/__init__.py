"""Who may do what: organizations, roles, and who is behind a request."""
