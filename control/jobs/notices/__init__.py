"""Numbers events, tells of sessions that go on, and forgets old days."""
