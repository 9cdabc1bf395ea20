"""New services and projects: what `clinic new` writes.

errors     why nothing was written
names      what follows from a service's name, and which names can't be
contracts  what a system's contracts say: its saga, its failures; and the new events among them
change     files to write and to change, all of them or none
pyproject  a service's entry in [tool.clinic], its route through the gateway
platform   its row in infra/systems.py, its image in the pipeline
text       the templates, filled in
service    all that a new service is
project    all that a new project is
commands   the commands
"""
