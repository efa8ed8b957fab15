"""Trying step 0 on a folder: verdicts, reasons and measured figures on one sheet, without a night or a database."""
