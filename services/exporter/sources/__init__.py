"""Where the figures come from: a module per kind of service, each with `collect(...)`, which fills `Figures`."""
