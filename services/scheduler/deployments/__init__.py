"""From what is to what shall be: plans of steps, upgrades within their bounds, rollback."""
