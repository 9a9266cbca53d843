"""What one look at an object is worth: the merge and the cards of weights share these."""

from __future__ import annotations

TILE_SHARE = 0.6
"""Boxes of a tile go into the merge from this share of the threshold of objects: a mean needs the
doubtful looks too. Down to 0.4 counts and average precision are the same
(`docs/research/merging.md`)."""

LUCK = 0.05
"""What one look is lucky by, where a card says nothing else; the mean of n looks by one n-th of it.
Measured, with the shipped weights: so that 144 images in one tile each, and in tiles that overlap,
show as many ships (`docs/research/merging.md`). Theory: half the variance of a score, 0.02, by
the slope of the logarithm of the number of objects over their score, about 5."""
