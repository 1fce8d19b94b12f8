"""`synthcohort doctor`: what would cost an hour later, told before the first rule runs."""
