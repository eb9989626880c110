"""Accounts and past orders by the thousand, for load tests; by COPY, and with clean books after each chunk."""
