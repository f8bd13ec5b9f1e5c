"""Which offer carries which instance, and the task that is launched on it. Pure: no I/O, no clock."""
