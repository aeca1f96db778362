"""What people look at: pages, tables, pictures; nothing here scores anything."""
