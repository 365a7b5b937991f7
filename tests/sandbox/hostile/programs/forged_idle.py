"""Says that it is idle, and goes on.

kind: jupyter protocol
outcome: held before it said idle
why: The end of a run is told by its reply, and what comes later is still its output.
sample: yes
"""

kernel = get_ipython().kernel
parent = kernel.get_parent()

print("before it said idle", flush=True)
for state in (
    "idle",
    "busy",
    "idle",
    "starting",
    "dead",
    "restarting",
    "autorestarting",
    {"x": 1},
    None,
):
    kernel.session.send(
        kernel.iopub_socket,
        "status",
        {"execution_state": state},
        parent=parent,
        ident=b"kernel.x.status",
    )
time.sleep(0.3)
print("and after")
