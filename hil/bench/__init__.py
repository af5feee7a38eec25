"""Benchmarks: each measures one number beside its reference, in the same run."""


class BenchError(Exception):
    """The measurement cannot be made, or what is measured is wrong."""
