"""Nests 1,000 folders, and fills the first with names as long as may be.

kind: file system
outcome: held 3000 names
why: A listing ends at a depth, a number and a size.
"""

os.makedirs("deep", exist_ok=True)
for number in range(3000):
    os.close(os.open("deep/" + f"{number:04}" + "\u00e9" * 125, os.O_CREAT | os.O_WRONLY))
os.chdir("deep")
for _ in range(1000):
    os.mkdir("d")
    os.chdir("d")
os.chdir("/work")
print(len(os.listdir("deep")) - 1, "names")
