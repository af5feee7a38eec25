"""A power system behind the devices: machines that swing, lines that trip, relays that shed."""
