"""`gridseal-provision serve`: the page for phone or laptop."""
