"""Alembic migrations; they travel inside the wheel and run from `hotline.db.upgrade`."""
