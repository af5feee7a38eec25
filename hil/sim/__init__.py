"""The simulation: the shipped gateway and record over a disk, a wire and clocks that fail on
demand, all of it under one seed."""
