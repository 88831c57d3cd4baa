"""A database as large as that of a large operator, and what reading it costs (`make bench-data`).

The database is filled by the files in `sql/`, which play what 100,000 stations said in 90 days. It
is SQL beside `shared.store`, as no process that serves may come near it.
"""
