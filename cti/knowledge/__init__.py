"""The knowledge base (知识库): articles, their search, feedback, what is read to callers."""
