"""Scenes in, a folder of results out: what `detector predict` does."""
