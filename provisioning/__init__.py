"""What technician and authority do: keys, credentials, configuration. Never imports record."""
