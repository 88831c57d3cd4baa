"""Events: put where they happen, numbered one after another, read in that order."""
