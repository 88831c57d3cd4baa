"""The control plane: the REST API of operators, and the jobs that keep the fleet's state right."""
