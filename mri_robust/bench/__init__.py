"""Train or open the models that experiments ask about, run the evaluations not stored yet, write the tables."""
