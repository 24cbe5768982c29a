"""Dashboards and alerts: panels as code, what they may ask for, Grafana's files, and a view of them on one machine."""
