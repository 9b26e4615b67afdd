"""The family expression at run time: camera, face detection, classification, overlay."""
