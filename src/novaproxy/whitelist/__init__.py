"""Addresses from which an order's proxy needs no password."""
