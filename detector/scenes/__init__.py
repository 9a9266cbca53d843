"""Scene files: discovery, windows at a scale, stretch, valid masks, time and place."""
