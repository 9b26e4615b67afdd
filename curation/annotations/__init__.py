"""What is known of samples before they are read: layouts of folders, tables, captions, votes."""
