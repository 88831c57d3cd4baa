"""Pictures of charging schedules."""
