"""What callers say: models, engines that recognise, and what the words mean."""
