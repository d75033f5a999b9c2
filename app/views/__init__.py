"""What people see, as HTML: pure functions from values to markup, every text escaped."""
