"""The operator's commands: how sagas stand, and what becomes of dead letters, over all services of a system.

errors        what goes wrong, in one sentence that says what to do
admin_port    one service's admin port, as a client sees it
services      all services: those of the stack that runs here, or those that --admin names
screen        how the commands show what they found
asked         what every command takes
letters       dead letters of several services, as people read them
dead_letters  the commands `clinic dead-letters …`
instances     instances of sagas, as people read them
story         what one instance waits for, and who has handled which of its events
sagas         the commands `clinic sagas …`
"""
