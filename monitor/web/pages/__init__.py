"""Where does each page live? One router a page."""
