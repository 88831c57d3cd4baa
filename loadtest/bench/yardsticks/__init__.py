"""What the figures stand beside: the least that could be done, and what is usually done."""
