"""承办单位: who they are, who is on duty, and whether their phones are answered."""
