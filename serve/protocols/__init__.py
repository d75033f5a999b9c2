"""What clients speak over HTTP: each protocol is one file with one verb, `routes`."""
