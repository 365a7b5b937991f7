"""Publishes messages that are wrongly signed, cut off, or no messages at all.

kind: jupyter protocol
outcome: held at the end
why: Signatures are made on the host; what is no message is dropped there, before anybody parses
it.
"""

kernel = get_ipython().kernel
parent = kernel.get_parent()

good = [
    kernel.session.pack(x)
    for x in (
        kernel.session.msg_header("stream"),
        parent["header"],
        {},
        {"name": "stdout", "text": "x"},
    )
]
for message in (
    [b"x", b"<IDS|MSG>", b"0" * 64, *good],
    [b"x", b"<IDS|MSG>"],
    [b"<IDS|MSG>", b"", *good[:3]],
    [b"", b""],
    [b"x"] * 999,
    [b"x", b"<IDS|MSG>", b"", b"{", b"{", b"{", b"{"],
    [b"x", b"<IDS|MSG>", b"", b"\xff", b"null", b"7", b"[]"],
    [b"<IDS|MSG>"] * 20,
    [b"x", b"<IDS|MSG>", b"", b'{"msg_type": 5}', b"[]", b"{}", b"{}"],
    [b"x" * 70_000, b"<IDS|MSG>", b"", *good],
    [b"x", b"<IDS|MSG>", b"", b'{"date": "' + b"9" * 60_000 + b'"}', *good[1:]],
    [b"x", b"<IDS|MSG>", b"", b"[" * 60_000, *good[1:]],
):
    kernel.iopub_socket.send_multipart(message)
print("at the end")
