"""Asks for input where nobody can answer.

kind: jupyter protocol
outcome: held raw_input was called
why: The kernel is told that there is no front end, and raises.
"""

input("your password: ")
