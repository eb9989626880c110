"""How much one customer, or one address, may ask of this worker in a while."""
