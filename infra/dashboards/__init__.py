"""Dashboards as Grafana takes them: a module per dashboard, a function per panel, the questions in `infra.queries`."""
