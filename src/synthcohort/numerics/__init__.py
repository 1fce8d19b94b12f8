"""What several rooms calculate with: intervals, nearest neighbours, scores, manifolds."""
