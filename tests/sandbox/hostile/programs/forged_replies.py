"""Replies to its own run early, twice, and to requests that nobody has made.

kind: jupyter protocol
outcome: held
why: A reply ends at most its own room's runs; the next cell has its own.
"""

kernel = get_ipython().kernel
parent = kernel.get_parent()

content = {
    "status": "ok",
    "execution_count": 10**30,
    "user_expressions": {},
    "payload": [{"source": "set_next_input"}],
}
idents = (
    kernel._shell_parent_ident.get() if hasattr(kernel, "_shell_parent_ident") else [b"interview"]
)
socket_ = (
    kernel.shell_stream.socket if hasattr(kernel.shell_stream, "socket") else kernel.shell_stream
)
stranger = {**parent, "header": {**parent["header"], "msg_id": "srv_0"}}
for one in (parent, parent, stranger):
    for kind in ("execute_reply", "kernel_info_reply", "shutdown_reply", "comm_info_reply", "x"):
        kernel.session.send(socket_, kind, content, parent=one, ident=idents)
for ident in ([b"interview", b"somebody"], [b"interview"], [b""]):
    kernel.session.send(socket_, "execute_reply", content, parent=parent, ident=ident)
