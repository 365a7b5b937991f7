"""Loads the processor's caches and memory for seconds, to slow other rooms and to hear them.

kind: cross-room
outcome: held turns
why: It has its share of processor time and no more; that a machine is busy can be told, what it
does cannot.
"""

import numpy

field = numpy.zeros(64 << 20, dtype=numpy.uint8)
until = time.monotonic() + 4
turns = 0
while time.monotonic() < until:
    field[::64] += 1
    turns += 1
print(turns > 0, "turns")
