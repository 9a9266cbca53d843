"""Tile plans and the merge that counts every object once."""
