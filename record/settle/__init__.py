"""Two sides of a seam: what they come to."""
