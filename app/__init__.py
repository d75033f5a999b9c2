"""The page on which people type a text and see teacher and student answer side by side."""

from app.starting import start_soon

start_soon()
