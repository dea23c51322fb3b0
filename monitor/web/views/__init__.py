"""What does each page show? Functions of an engine, the settings and a moment; no word of HTTP."""
