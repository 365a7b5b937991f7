"""Asks for real-time scheduling, and for a better place in the queue.

kind: cpu
outcome: refused EPERM EACCES
why: That takes a capability, and there is none.
"""

attempt("SCHED_FIFO", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))
attempt("SCHED_RR", os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(99))
attempt("nice", os.setpriority, os.PRIO_PROCESS, 0, -20)
attempt("the shim's niceness", os.setpriority, os.PRIO_PROCESS, 1, 19)
