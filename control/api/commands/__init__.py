"""Commands, alone and in batches."""
