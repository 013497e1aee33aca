"""Serving: one BentoML service that swaps models by reference, its prediction log, delivery, batch scoring."""
