"""Writes 400 MB past Python, to the descriptor of its output.

kind: output
outcome: truncated not shown
why: It goes the same way as what is printed, and is too large or too fast like that; the process's own output leads nowhere.
"""

subprocess.run("yes | head -c 400000000", shell=True, check=True)
print("at the end")
