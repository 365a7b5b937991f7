"""Opens files until it may not.

kind: pids and descriptors
outcome: refused EMFILE
why: A process has 1024 descriptors.
"""


def open_all():
    while True:
        os.open("/dev/null", os.O_RDONLY)


print("ATTEMPT descriptors:", in_child(open_all))
