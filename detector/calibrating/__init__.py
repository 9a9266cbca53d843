"""What scores and counts of a set of weights mean: fitted and tried on places held out."""
