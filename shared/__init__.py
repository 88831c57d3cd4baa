"""What more than one part of Voltaro uses: the domain, the store, the bus, telemetry, settings."""
