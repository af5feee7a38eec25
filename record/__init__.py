"""What runs upstream: admits, logs, receipts, shows. Never imports agent."""
