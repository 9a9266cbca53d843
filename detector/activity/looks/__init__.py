"""What each date shows of each zone, laid on one ground."""
