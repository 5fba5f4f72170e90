# SPDX-License-Identifier: BSD-2-Clause
"""Eight forked workers that share a table, look things up in it, and wait: counting references writes to what is only read."""
import os
import random
import time

table = {i: (f"record {i}", [i] * 4) for i in range(200000)}
for n in range(8):
    if os.fork():
        continue
    served = []
    for k in range(20000):
        name, numbers = table[random.randrange(20000)]
        served.append((name, sum(numbers)))
    os.write(1, b"r")
    time.sleep(1000)
    os._exit(0)
time.sleep(1000)
