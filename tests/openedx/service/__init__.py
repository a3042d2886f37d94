"""The Django project and its only application."""
