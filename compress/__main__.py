"""`python -m compress`, where another program is called compress."""

from compress.cli import main

main()
