"""Discount codes: whether one may be redeemed, and what it takes off."""
