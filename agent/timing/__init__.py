"""What runs on the gateway: reads, seals, keeps, forwards. Never imports record or provisioning."""
