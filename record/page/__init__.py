"""The record's page: what two sides of a seam share, for people."""
