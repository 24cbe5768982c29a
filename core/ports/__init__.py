"""The ports: what the services need of the world, as protocols that adapters fulfil.

Whatever waits is `async`. An adapter translates its vendor's errors into `core.errors`, and may be called by many
tasks of one process at once; several processes may hold an adapter on the same data.
"""
