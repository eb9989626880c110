"""Proxies that the gateway is measured beside."""
