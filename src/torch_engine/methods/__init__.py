"""Methods, one small file each."""
