"""Programs for those who work on airl-cli; not part of the package."""
