"""Captures replayed: every protocol in them read, sealed, admitted, read back and compared, with
one reader a protocol."""
