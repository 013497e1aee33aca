"""The loop replayed over the lake's history, by the functions that the live loop asks."""
