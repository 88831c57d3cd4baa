"""What it costs that many clients follow events, and whether one that is stuck harms others."""
