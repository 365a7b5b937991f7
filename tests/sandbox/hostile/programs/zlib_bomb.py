"""Decompresses 2 MB into 2 GB.

kind: memory
outcome: killed memory limit
why: What counts is memory, wherever it comes from.
"""

import gzip

member = gzip.compress(bytes(64 << 20), compresslevel=1)
gzip.decompress(member * 32)
