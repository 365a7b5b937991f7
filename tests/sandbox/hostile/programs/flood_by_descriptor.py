"""Writes 100 MB past Python, to the descriptor of its output.

kind: output
outcome: truncated were not shown: they came too fast
why: It goes the same way as what is printed, and the process's own output leads nowhere.
"""

subprocess.run("yes | head -c 100000000", shell=True, check=True)
print("at the end")
