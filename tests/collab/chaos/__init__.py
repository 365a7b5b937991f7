"""Several servers under faults: the parts of ``test_chaos.py``."""
