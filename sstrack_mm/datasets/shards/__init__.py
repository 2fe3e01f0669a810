"""Video in tar shards, on a disk, behind a web server or in an object store."""
