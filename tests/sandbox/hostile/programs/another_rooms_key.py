"""Looks for the key that signs messages, its own room's or another's.

kind: cross-room
outcome: refused EMPTY ENOENT EACCES
why: There is no key inside: messages are signed on the host.
"""

import json

attempt("its own", lambda: json.loads(read("/opt/interview/kernel.json"))["key"])
attempt("the kernel's", lambda: get_ipython().kernel.session.key)
attempt("runtime folders", os.listdir, "/tmp/.local/share/jupyter/runtime")
attempt(
    "in /tmp",
    lambda: [each for each in os.listdir("/tmp") if "interview" in each or "connection" in each],
)
