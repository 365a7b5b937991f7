"""Sends a message of 5,000 parts.

kind: output
outcome: truncated was not shown
why: A message has so many parts at most; the shim refuses it.
"""

kernel = get_ipython().kernel
header = kernel.session.msg("display_data", parent=kernel.get_parent())
parts = [kernel.session.pack(header[name]) for name in ("header", "parent_header")]
kernel.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", b"", *parts, b"{}", b"{}", *[b"p"] * 5000])
