"""What-if for managers: the present and a changed workforce or policy, run on the same work."""
