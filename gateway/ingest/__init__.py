"""Group commit of facts: nothing is answered before it is on disk."""

from gateway.ingest.group_commit import Ingest

__all__ = ["Ingest"]
