"""Sends the shim 100,000 replies that nobody asked for.

kind: jupyter protocol
outcome: truncated were not shown: they came too fast
why: The shim bounds what it keeps on every channel; the host drops what has no receiver.
"""

kernel = get_ipython().kernel
parent = kernel.get_parent()

shell = (
    kernel.shell_stream.socket if hasattr(kernel.shell_stream, "socket") else kernel.shell_stream
)
blob = b"x" * 2000
good = [kernel.session.pack(x) for x in (kernel.session.msg_header("x_reply"), {}, {}, {})]
for _ in range(100_000):
    shell.send_multipart([b"interview", b"nobody", b"<IDS|MSG>", b"", *good, blob])
print("at the end")
