"""The only place with Redis: who owns which station, and the streams that carry commands.

Nothing in Redis is the truth. When it is empty, pods announce their stations again and the worker
routes waiting commands again, both from Postgres.
"""
