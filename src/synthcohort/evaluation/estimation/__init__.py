"""What metrics share: floors, the comparison within a label, the Fréchet distance."""
