"""A simulated charging station, its protocol part without I/O.

From the inside out:

* `charging`, `electricity`: what a charge and a meter are; no protocol at all.
* `connector`, `sampling`, `station`, `restarting`: drivers come and go; boot, heartbeats,
  restarts. `outbox`, `link`, `answering`, `rpc`, `backoff`, `timers`, `tokens`: how a station
  talks, and what it does when nobody listens. Frames and time in, frames and events out.
* `operating`, `textual`: what operators ask and set, before any version words it.
* `dialect`: the seam. Each version of OCPP is one implementation of it: `ocpp16`, `ocpp201`.
  `versions` knows them by name.
* `misbehaviour`: what real stations do wrong, by name.
* `driver`, `running`, `fleet`: asyncio, WebSockets and the clock; a station for programs and
  tests (`running.run_station`); thousands of them in one process (`fleet.Fleet`).
"""
