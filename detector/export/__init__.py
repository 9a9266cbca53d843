"""Files that other programs read back."""
