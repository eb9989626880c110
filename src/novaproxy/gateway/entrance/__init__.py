"""Reading what a client asks on a fresh connection, and answering it."""
