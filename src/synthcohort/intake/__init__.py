"""What sources share: downloads, tables and the pixels of picture files."""
