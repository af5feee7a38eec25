"""The bench: simulated devices and grid, captures and their replay, faults, scenarios, demo,
benchmarks. Never shipped to a gateway.
"""
