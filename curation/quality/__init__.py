"""What clean decides, whatever the medium: readers, reasons to leave a sample out, verdicts."""
