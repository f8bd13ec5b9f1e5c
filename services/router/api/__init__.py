"""What the router answers over HTTP: Bamboo's API, what is wrong, and how it goes."""
