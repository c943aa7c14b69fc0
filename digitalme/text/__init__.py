"""Written words: their language, sentences, feelings, and the person that they describe."""
