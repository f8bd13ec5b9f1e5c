"""From wanted to launched, and from running to killed."""
