"""Components of the page made of HTML, CSS and JavaScript, each a Python class with its files in a folder."""
