"""Start-up settings of the sandbox's kernel (IPython reads /etc/ipython)."""

c = get_config()  # noqa: F821  (IPython puts it here)

# A container lives for one kernel: nobody can come back to a history file, and it would be
# the first thing to fail on a full work folder.
c.HistoryManager.hist_file = ":memory:"
c.IPKernelApp.exec_files = ["/opt/interview/startup.py"]
c.InlineBackend.figure_formats = {"png"}
