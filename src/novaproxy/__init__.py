"""NovaProxy: the open proxy store."""
