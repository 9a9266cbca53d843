"""Pixel windows, oriented boxes and geodesic measures."""
