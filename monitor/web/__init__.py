"""The one door to the web framework: pages for machines, and for people."""
