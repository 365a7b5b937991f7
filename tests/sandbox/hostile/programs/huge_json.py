"""Shows JSON that is deep, wide, and full of numbers that no double holds.

kind: output
outcome: held at the end
why: The relay does not look inside messages.
"""

kernel = get_ipython().kernel


def show(content):
    parent = kernel.get_parent()
    header = kernel.session.msg("display_data", parent=parent)
    parts = [kernel.session.pack(header[name]) for name in ("header", "parent_header")]
    kernel.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", b"", *parts, b"{}", content])


show(b'{"data": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")
show(b'{"data": [' + b"0," * 5_000_000 + b"0]}")
show(b'{"data": [' + b"9" * 1_000_000 + b", 1e999999]}")
print("at the end")
