"""Clears its output and updates a display 30,000 times.

kind: output
outcome: held at the end
why: Frames have a rate, and the last state arrives.
"""

from IPython.display import clear_output

shown = display("x", display_id="storm")
for number in range(15_000):
    clear_output(wait=True)
    shown.update(number)
print("at the end")
