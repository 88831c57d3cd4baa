"""Who sends requests: API keys, users and their sessions, and what each of them may do."""
