"""What was published of the optimum on compute budgets."""

EVERY = ()
