"""SQL of users: what a statement may do, what its columns are, and the data frames that it names."""
