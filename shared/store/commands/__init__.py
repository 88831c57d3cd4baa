"""Commands, alone and in batches, and those that wait for their station."""
