"""The service as processes: a supervisor, its API workers, the demo shop."""
