"""The browser of the tests, where there is one."""

import importlib.util
import shutil

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
CHROMIUM_OPTIONS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]
HAS_BROWSER = CHROMIUM is not None and importlib.util.find_spec('playwright') is not None
