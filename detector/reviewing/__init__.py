"""What a person says of the boxes of a scene, in the formats of the tools that people use."""
