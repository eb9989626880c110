"""The gateway: what was sold opens a real proxy, counted to the byte."""
