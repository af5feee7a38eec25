"""Benchmarks: each measures one number beside its reference, in the same run."""
