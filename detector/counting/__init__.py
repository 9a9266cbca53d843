"""Zones and counts."""
