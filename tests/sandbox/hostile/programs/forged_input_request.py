"""Asks past Python for input, and waits for an answer that cannot come.

kind: jupyter protocol
outcome: interrupted asked
why: The question goes to whoever runs the cell; the wait is an ordinary one, which an interrupt
ends.
"""

kernel = get_ipython().kernel
parent = kernel.get_parent()

stdin = kernel.stdin_socket
for prompt in ("x", "y" * 1_000_000, {"a": []}, None):
    kernel.session.send(
        stdin,
        "input_request",
        {"prompt": prompt, "password": "no"},
        parent,
        ident=[b"interview", b"nobody"],
    )
print("asked", flush=True)
while True:
    time.sleep(0.1)
