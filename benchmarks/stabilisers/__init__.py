"""What each measure that holds the discriminator back does."""
