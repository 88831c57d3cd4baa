"""The REST API: one router per resource, its schemas in `schemas`."""
