"""The `voltaro` command."""
