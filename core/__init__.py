"""What every part of the system shares: contracts, errors, ports, settings and the status machine; no I/O."""
