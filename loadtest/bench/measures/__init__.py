"""The measurements, one module per family; each has a `measure` that gives its figures."""
