"""Works out the options, simulates them and chooses one with its reasons; owns the knowledge base."""
