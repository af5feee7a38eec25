"""What two machines must agree on and an auditor needs. Pure: no IO, imports nothing of ours."""
