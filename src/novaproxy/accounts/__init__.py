"""Customers, their API tokens, and who is asking."""
