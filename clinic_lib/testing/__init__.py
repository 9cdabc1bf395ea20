"""A pytest plugin that lets a whole system suffer and asks whether it kept its promises.

errors      what a run finds
ports       a declared system, moved to free ports
history     what happened, in its order
target      a process that faults are done to: killed, paused, started again
log         the records of a system's topics: read, and published again
evidence    what the services published, noted by the database in the same transaction
faults      what can be done to processes; database_faults, log_faults: to their servers' data
plan        which faults, when: drawn from a seed, printed, given again
settling    whether a system has come to rest
system      a system that runs: its clients, rows, log, and what is done to it
servers     its processes, started and ended
invariants  what holds for every system at rest
chaos       what a test is given: the seed, and systems
plugin      options, the fixture `chaos`, and what a failing test prints
"""
