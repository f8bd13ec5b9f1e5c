"""utopia-router: Bamboo's API and rules, turned into HAProxy's configuration."""
