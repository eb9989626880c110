"""Admission: whose order a connection is, what that order may do, and cutting it when that changes."""
