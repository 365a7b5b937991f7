"""Raises an error of 20 MB, which stands in the reply to the run too.

kind: output
outcome: truncated larger than the limit
why: The reply is replaced by a short one, so that no run waits for ever.
"""

raise ValueError("x" * 20_000_000)
