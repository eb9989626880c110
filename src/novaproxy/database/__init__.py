"""The embedded PostgreSQL, connections, transactions and migrations."""
