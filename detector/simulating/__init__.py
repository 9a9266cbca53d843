"""A detector without pixels: known objects, what tiles show of them, what a merge gets wrong."""
