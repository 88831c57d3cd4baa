"""The control plane: a stateless API, and the worker that sweeps behind it."""
