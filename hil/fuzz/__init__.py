"""`gridseal-hil fuzz`: bytes that no device would send, against everything that reads a peer's."""
