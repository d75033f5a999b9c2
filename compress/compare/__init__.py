"""Did distillation help? Every method on the same student, rows and budget, beside the plain student."""
