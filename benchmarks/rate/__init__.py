"""The order rate beside pgbench: where both begin, how each is run, what they wrote, and how it is told."""
