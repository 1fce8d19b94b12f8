"""The observer study: can people tell real from synthetic images?

`page` writes a web page that asks a reader; `study` reads the answers back and measures.
"""

PAGE, KEY = "index.html", "key.json"
REAL, SYNTHETIC = "real", "synthetic"
