"""Opens 20,000 comms and sends on each.

kind: output
outcome: held all were sent
why: Frames have a rate; what is faster waits inside.
"""

from comm import create_comm

for number in range(20_000):
    comm = create_comm(target_name=f"none-{number}", data={"x": number})
    comm.send({"y": number})
print("all were sent")
