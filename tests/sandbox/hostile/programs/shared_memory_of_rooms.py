"""Meets another room in System V memory, message queues and named semaphores.

kind: cross-room
outcome: refused EPERM ENOENT EMPTY
why: None of these is on the list, and /dev/shm is the container's own.
"""

attempt("shmget", syscall, 29, 0x1234, 4096, 0o1666)
attempt("semget", syscall, 64, 0x1234, 1, 0o1666)
attempt("msgget", syscall, 68, 0x1234, 0o1666)
attempt("mq_open", syscall, 240, b"rooms", 0o102, 0o666, None)
attempt("/dev/shm/notes", read, "/dev/shm/notes")
attempt("/dev/mqueue", lambda: os.listdir("/dev/mqueue"))
