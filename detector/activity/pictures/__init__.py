"""Pictures and plots that show what was found."""
