"""The pipeline from scene to detections, one scene or many."""
