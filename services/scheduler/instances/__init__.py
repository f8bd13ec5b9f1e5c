"""What runs: instances and the states they go through."""
