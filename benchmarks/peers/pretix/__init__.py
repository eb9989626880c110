"""pretix, a ticket shop with an order API of the same kind, as it comes from the package registry.

It is run as a separate program in an environment of its own (.venv-pretix, benchmarks/peers/pretix.lock).
"""
