"""From a wish for instances to tasks on agents, and from tasks to their end."""
