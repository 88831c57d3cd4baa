"""Exports millions of sessions in every format, and holds the files against each other."""
