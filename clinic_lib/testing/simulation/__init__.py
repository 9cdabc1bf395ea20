"""A system in one process: services on a log and tables in memory, a virtual clock, and a schedule that chooses.

clock        the virtual time, and ids that follow from it
constraints  what a table refuses
tables       all that one service has stored, as dictionaries
answers      what the library's statements do with those tables
memory       a service's `Storage` over its tables
postgresql   a real one, for services whose functions write SQL of their own
log          the topics
wiring       a service as its process needs it, made once
outlet       what a process has committed and not yet published
process      a service's process: it polls, carries out commands, publishes, and may die anywhere
schedule     what happens next, and which faults may
story        who did what to which event
world        all processes and the log: what can happen next, and what comes of it
"""
