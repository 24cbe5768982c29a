"""How likely two messages are about the same: hand-written scenarios, the fit and its evaluation."""
