"""Shows one display of 150 MB.

kind: output
outcome: truncated An output of 150.0 MB was not shown
why: A message has a largest size; it is refused inside, before it reaches the host.
sample: yes
"""

display({"text/plain": "x" * 150_000_000}, raw=True)
