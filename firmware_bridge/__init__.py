"""What a microcontroller runs, on MicroPython and CPython alike. Imports nothing of ours."""
