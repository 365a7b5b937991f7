"""Synchronisation: this product beside other servers for Yjs documents, the same pages on each.

`measure` starts one server after another on the first core and `load`, a process of its own,
on the second. What is typed is made before it is sent (`typists`), so `load` only writes, reads and
looks at the clock.
"""
