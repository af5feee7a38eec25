"""All benchmarks in one run: `gridseal-hil bench all`."""
