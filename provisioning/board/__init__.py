"""The board that is clipped to a device: its firmware, its pairing, and how it stands."""
