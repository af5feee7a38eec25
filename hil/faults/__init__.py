"""Faults, made for real around the shipped programs, and what each of them cost."""
