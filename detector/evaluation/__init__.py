"""How wrong the detector is: matching, average precision, counts, intervals, kinds of error."""
