"""Other people's servers around the student, as their documentation has them, in environments of their own."""
