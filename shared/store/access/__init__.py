"""Who may charge: tokens, groups, locations' rules, and the local lists of stations."""
