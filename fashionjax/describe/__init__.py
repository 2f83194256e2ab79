"""What a model is made of: parts, parameters, arithmetic; as a picture and a table."""
