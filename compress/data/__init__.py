"""From files or a Hub data set to the three lists of rows that a run uses."""
