"""One self-contained HTML file that shows what was found, how sure it is, and why."""
