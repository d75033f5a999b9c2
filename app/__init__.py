"""The page on which people type a text and see teacher and student answer side by side."""

from app.stubs import without_stubs

without_stubs()
