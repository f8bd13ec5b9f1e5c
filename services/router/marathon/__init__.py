"""What runs: Marathon's applications and tasks, read over its REST API and followed over its event stream."""
