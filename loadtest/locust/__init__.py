"""The load test: fleets of simulated stations under locust, and a verdict on the run.

* `locustfile` is what locust loads; `python -m loadtest.locust` starts it with sensible defaults.
* What is decided without I/O, so that tests need neither gevent nor a server: `settings` (options),
  `profiles` (how many stations, how busy), `behaviour` (what one station's drivers do),
  `identities` (who is who among several workers), `calls` (timing), `ledger` (what was
  acknowledged), `thresholds` (the verdict).
* What runs: `driver` moves one station over a blocking WebSocket; `station_user` is locust's user
  around it; `generator` is all a process that runs stations has; `conductor` is what there is once:
  registration, the orderly end, the verdict. `storage_check` looks everything up in the database.

Nothing here needs gevent by name. Locust replaces the blocking calls of the standard library before
anything else is loaded, so that plain threads, sockets and sleeps are greenlets; hence `locust` is
imported first by whatever starts the process, and asyncio is used only by `storage_check`, in a
process of its own.
"""
