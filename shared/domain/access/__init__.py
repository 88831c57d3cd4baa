"""Who may charge: tokens, locations' rules, verdicts, and the local lists of stations."""
