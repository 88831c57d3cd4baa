"""`voltaro up`: the whole cluster on one machine, with real servers."""
