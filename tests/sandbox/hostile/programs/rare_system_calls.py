"""Tries every system call that is not on the list, those of the future included.

kind: kernel surface
outcome: refused EPERM ENOSYS
why: It is not on the list of system calls.
"""

rare = [
    *range(64, 72),
    134,
    *range(136, 140),
    *range(153, 157),
    *range(163, 180),
    180,
    183,
    *range(206, 213),
    216,
    *range(236, 242),
    *range(246, 251),
    *range(253, 257),
    256,
    *range(279, 280),
    *range(298, 302),
    *range(303, 305),
    308,
    *range(310, 314),
    *range(320, 322),
    323,
    *range(425, 434),
    438,
    440,
    442,
    443,
    444,
    445,
    446,
    447,
    *range(450, 470),
    500,
    1000,
]
for number in sorted(set(rare) - {137, 138, 247, 299}):
    attempt(
        f"system call {number}", lambda number=number: [syscall(number, -1, -1, -1, -1, -1, -1)]
    )
