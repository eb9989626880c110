"""Backups of an open shop, and shops restored from them: PostgreSQL's own pg_dump and pg_restore do the work."""
