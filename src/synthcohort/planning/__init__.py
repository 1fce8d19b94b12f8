"""What to write for so many minutes: the planner behind `synthcohort plan`."""
