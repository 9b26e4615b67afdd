"""DVC: the stage graph, stage keys, data versions, verification, and classification of its errors."""
