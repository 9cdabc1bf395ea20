"""The local stack: real Kafka, real PostgreSQL and the services as child processes of one supervisor.

errors      what goes wrong, in one sentence that says what to do
project     the [tool.clinic] table: which services there are
folder      .clinic: everything that is kept between two runs
ports       is a port free, and who has it
program     what can be run: its command, and when it serves
spawn       processes that do not outlive this one
once        what is fetched or built once per machine
kafka_jars  Kafka's jars, fetched from Maven Central once per machine
kafka       the broker
postgresql  the database server
database    one database per service on a server
child       one running program: its state, its start, its end
replica     one process of a service
replicas    all processes of one service
infrastructure  Kafka and PostgreSQL, ours or those the environment names
prometheus_package  Debian's package of Prometheus, fetched once per machine
prometheus  Prometheus
jaeger_build  Jaeger, built with Go once per machine
jaeger      Jaeger
observe_files  what Prometheus and Grafana read
grafana     a Grafana that runs somewhere
observation  Prometheus, Jaeger and Grafana, ours or those the environment names
stack       all children of a running `clinic up`
status      what `clinic status` shows
control     how commands talk to the stack that runs, over a Unix socket (control_server: its end)
progress    what happens, told to the person in front
up          the foreground process of `clinic up`
logs        what the children wrote
commands    the commands
"""
