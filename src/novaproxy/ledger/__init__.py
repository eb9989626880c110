"""The ledger: double entry, and the audit of the books."""
