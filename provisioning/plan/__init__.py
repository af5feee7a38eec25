"""The site plan: written, checked, asked for, imported, and compared with what runs."""
