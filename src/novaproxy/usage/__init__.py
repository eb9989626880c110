"""Usage: bytes reserved, counted and settled, and what the customer and the operator see of them."""
