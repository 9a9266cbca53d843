"""Which ships stayed, and how many came at least and at most."""
