"""The demo: two utilities on the two sides of a seam, one shared record, and a page of it."""
