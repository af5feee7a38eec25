"""The systems themselves: a file each."""
