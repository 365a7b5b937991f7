"""Reads addresses of the host's kernel, which exploits need.

kind: information
outcome: refused EMPTY EACCES EPERM ENOENT
why: Addresses are hidden from a user without capabilities, or the file is masked.
"""


def addresses(path):
    with open(path) as file:
        return [line for line in file if int(line.split()[0], 16)]


attempt("/proc/kallsyms", addresses, "/proc/kallsyms")
attempt(
    "/proc/modules",
    lambda: (
        [line for line in open("/proc/modules") if int(line.split()[-1], 16)]
        if os.path.exists("/proc/modules")
        else b""
    ),
)
attempt("/sys/kernel/debug", os.listdir, "/sys/kernel/debug")
attempt("/sys/firmware", os.listdir, "/sys/firmware")
attempt("/boot", os.listdir, "/boot")
