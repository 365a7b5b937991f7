"""``make bench``: this product beside its peers, in the same run on the same machine.

What is judged is a ratio or a number of bytes, never a time alone: times depend on the machine
and are shown beside. Repetitions of the product and of its peer alternate, so that whatever
else the machine does meets both.
"""
