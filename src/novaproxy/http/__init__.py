"""Bytes to plain mappings, and refusals to answers."""
