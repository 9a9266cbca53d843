"""From looks of sites to what can be said: series, visits, events."""
