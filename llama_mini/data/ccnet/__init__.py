"""What CCNet does to the pages of a crawl, a file a stage."""
