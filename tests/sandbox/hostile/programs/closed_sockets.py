"""Closes the sockets on which it is asked and replies.

kind: jupyter protocol
outcome: killed time limit
why: A run without a reply ends with its limit of time, and a fresh kernel takes its place.
limits: run_s=3
"""

import gc

import zmq

for each in [each for each in gc.get_objects() if isinstance(each, zmq.Socket)]:
    each.close(linger=0)
