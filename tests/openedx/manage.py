#!/usr/bin/env python3
"""A small Django service on the event bus, for end-to-end tests. settings.py tells more."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.settings")
execute_from_command_line(sys.argv)
