"""Scored oriented boxes, the areas that they share, and duplicates among them."""
