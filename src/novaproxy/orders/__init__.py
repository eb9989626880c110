"""The way of an order: ask, price, decide, write down, answer."""
