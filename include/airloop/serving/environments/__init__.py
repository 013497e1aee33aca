"""Versions that need other libraries than the service has: each answers from a process of its own."""
