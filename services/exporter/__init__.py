"""utopia-exporter: what a node's services and containers tell, as figures for Prometheus, over TLS with a login."""
