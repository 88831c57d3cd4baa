"""Works sessions out."""
