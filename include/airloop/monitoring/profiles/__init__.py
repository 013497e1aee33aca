"""What a day looks like, in a few hundred figures: small enough to keep with the reference, day by day."""
