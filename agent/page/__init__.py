"""The agent's own page: what it hears and how it is, for whoever looks. It changes nothing."""
