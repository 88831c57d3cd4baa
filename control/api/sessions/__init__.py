"""Sessions, meter values and dead letters."""
