"""How fast the library is, and at what cost: `clinic bench`, and small runs of the same in the test suite.

workload        what everybody is measured on, and the gate that says whether a run counts
stopwatch       what a run is measured by
ground          the servers, and each run's databases and topics
floor           the workload by hand (floor_rules: its rows)
worker, workers processes with the product's services in them
product         the workload on the product
peers/          the workload with other libraries
contenders      all of these alike
head_to_head    beside each other, in turns
load, latency   HTTP load, and how long it takes until a view shows what was asked for
http_commands   what committing commands in groups is worth
clinic_load     the clinic, as siege would load it
per_record      what a record costs beyond its SQL (bare: the same by hand)
alone           the relay and a projection, each by itself
sweep, growth   how it grows
soak            for a long time
traces          what sampling traces costs; run by hand
capacity        what a cluster would need
rates, comparison   the head-to-head's ratios, and what the page says of it
results, page, tables, plots   docs/benchmarks.md
steps, bench    `clinic bench`
"""
