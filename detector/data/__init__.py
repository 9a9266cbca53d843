"""Labelled and rendered images."""
