"""Traces: which one the running code belongs to."""

from opentelemetry import context, trace


def current_trace_id() -> str | None:
    """Return the id of the trace that is active, in 32 hexadecimal digits, or None."""
    active = context.get_current()
    if not active:  # nearly always where nothing is traced, and a fourth of the time
        return None
    trace_id = trace.get_current_span(active).get_span_context().trace_id
    return f"{trace_id:032x}" if trace_id else None
